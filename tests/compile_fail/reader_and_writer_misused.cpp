// Readers and writers refer to a stream that outlives them, and their lines come with time.
// at most 14 lines
#include <bight/io/buffered_reader.hpp>
#include <bight/io/buffered_writer.hpp>
#include <bight/io/frame_reader.hpp>
#include <bight/io/frame_writer.hpp>
#include <bight/io/line_reader.hpp>
#include <bight/io/outbox.hpp>
#include <bight/net/connect.hpp>

#include <optional>
#include <string>
#include <utility>

bight::task<bight::stream> opened();
bight::task<> parse(bight::buffered_reader& reader);
bight::task<> parse_own(bight::buffered_reader reader);

bight::task<> made(bight::stream peer, const bight::stream& fixed) {
#ifdef MISTAKE
    const bight::buffered_reader moved(std::move(peer));               // says: refers to a stream that has a name
    const bight::buffered_reader temporary(co_await opened());         // says: and outlives it
    const bight::buffered_reader not_awaited(opened());                // says: auto peer = co_await
    const bight::buffered_reader unchanged(fixed);                     // says: and is not const
    const bight::buffered_reader line_ends(peer, bight::line_end::lf);  // says: {.line_ends = bight::line_end::lf}
    const bight::buffered_reader nothing;                              // says: buffered_reader(stream, options)
    const bight::buffered_writer moved_too(std::move(peer));           // says: refers to a stream that has a name
    const bight::buffered_writer capacity(peer, 4096);                 // says: {.capacity = 4096}
    const bight::line_reader moved_as_well(std::move(peer));           // says: refers to a stream that has a name
    const bight::line_reader character(peer, '\n');                    // says: the delimiter is text
    const bight::outbox moved_again(std::move(peer));                  // says: refers to a stream that has a name
    const bight::frame_reader moved_in(std::move(peer), bight::framing::lines());  // says: refers to a stream that has a name
    const bight::frame_writer to_nothing(bight::framing::lines());     // says: frame_writer(stream, framing)
#else
    const bight::buffered_reader reader(peer, {.line_ends = bight::line_end::lf});
    const bight::buffered_writer writer(peer, {.capacity = 4096});
    const bight::line_reader lines(peer, "\n");
    const bight::outbox box(peer);
    const bight::frame_reader frames(peer, bight::framing::lines());
    const bight::frame_writer framed(peer, bight::framing::lines());
    (void)fixed;
    co_return;
#endif
}

bight::task<> used(bight::buffered_reader& reader, bight::line_reader& lines, bight::buffered_writer& out,
                   std::optional<std::string> line) {
#ifdef MISTAKE
    while (auto next = reader.line()) {}        // shows: it has no result yet
    for (auto next : reader) (void)next;        // shows: while (auto line = co_await reader.line())
    for (auto next : lines) (void)next;         // shows: while (auto line = co_await lines.next())
    co_await parse_own(reader);                 // shows: pass a buffered_reader&
    (void)co_await reader.until(',');           // says: until(",")
    (void)co_await reader.exactly();            // says: exactly(count) takes how many bytes
    (void)co_await reader.exactly("text");      // says: exactly(memory) takes writable bytes
    co_await out.write(5);                      // says: a number as std::to_string(n)
    co_await out.write(line);                   // says: an optional as *line
    co_await out.write();                       // says: write takes text, bytes and chunks
    auto copy = out;                            // shows: give it up, std::move(out)
#else
    while (auto next = co_await reader.line()) co_await parse(reader);
    (void)co_await lines.next();
    (void)co_await reader.until(",");
    (void)co_await reader.exactly(5);
    co_await out.write("text", *line, std::to_string(5));
    auto given_up = std::move(out);
#endif
}
