// A file has one owner.
// at most 22 lines
#include <bight/core/task.hpp>
#include <bight/os/file_stream.hpp>

bight::task<> copies(bight::file f) {
#ifdef MISTAKE
    auto s = bight::file_stream(f);  // shows: std::move(f)
    bight::file g = f;               // shows: std::move(f)
#else
    auto s = bight::file_stream(std::move(f));
#endif
    co_return;
}
