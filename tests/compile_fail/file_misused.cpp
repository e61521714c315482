// A file has one owner, and a root of files.
// at most 22 lines
#include <bight/core/task.hpp>
#include <bight/os/file_stream.hpp>
#include <bight/os/root_directory.hpp>

bight::task<> copies(bight::file f, bight::root_directory root) {
#ifdef MISTAKE
    auto s = bight::file_stream(f);  // shows: std::move(f)
    bight::file g = f;               // shows: std::move(f)
    bight::root_directory again = root;
#else
    auto s = bight::file_stream(std::move(f));
    bight::root_directory again = std::move(root);
#endif
    co_return;
}
