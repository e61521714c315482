// Text and bytes are written, and memory is read into.
// at most 16 lines
#include <bight/io/stream.hpp>

#include <optional>
#include <string>
#include <vector>

struct header {
    int length;
};

bight::task<> written(bight::stream& peer, const bight::stream& fixed, std::optional<std::string> line, header h) {
    const std::vector<int> numbers{1, 2};
#ifdef MISTAKE
    co_await peer.write(1);          // says: a number as std::to_string(n)
    co_await peer.write("a", 1);     // says: write takes text, bytes and chunks
    co_await peer.write('x');        // says: std::string(1, c)
    co_await peer.write(line);       // says: an optional as *line
    co_await peer.write(h);          // says: bight::const_buffer(&object, sizeof object)
    co_await peer.write(numbers);    // says: text, bytes and chunks
    co_await fixed.write("a");       // says: writing changes a stream
#else
    co_await peer.write("a", std::to_string(1), *line, bight::const_buffer(&h, sizeof h));
    (void)fixed;
#endif
}

bight::task<> read(bight::stream& peer, const bight::stream& fixed, const std::string& constant, std::string text) {
    text.resize(4);
#ifdef MISTAKE
    co_await peer.read_some(512);       // says: read_some takes writable bytes
    co_await peer.read_some(constant);  // says: without an argument it gives a chunk
    co_await peer.read_exactly(4);      // shows: a read fills memory, not a number of bytes
    co_await fixed.read_some();         // says: reading changes a stream
#else
    co_await peer.read_some(text);
    co_await peer.read_exactly(text);
    (void)fixed;
    (void)constant;
#endif
}
