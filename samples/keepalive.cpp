// Binary records: a client sends a keep-alive in each period, which the server answers; whoever sends none in
// two is let go.   keepalive server|client [ENDPOINT [SECONDS]] One by hand:  printf
// '\0\16\0\1\0\0\0\7\0\0\0\0\0\0\0\0' | nc -N localhost 7070 | od -t x1
#include <bight/bight.hpp>
#include <bight/io/frame_reader.hpp>
#include <bight/io/frame_writer.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>

using namespace std::chrono_literals;

// Over the network: how many bytes follow (in 2 bytes), kind (2), number (4), time (8), the highest byte of
// each first, whatever the machine does. What later versions add, as more bytes or other kinds, is passed
// over.
struct record {
    std::uint64_t kind;
    std::uint64_t number;
    std::uint64_t time;  // of the sender's clock, in ns
    bool operator==(const record&) const = default;
};
constexpr std::uint64_t keep_alive = 1;  // a kind: answered with itself
constexpr std::size_t shortest = 14;

bight::framing records() { return bight::framing::prefixed(bight::length_prefix::uint16, 1024); }

std::string bytes_of(std::uint64_t number, std::size_t count) {
    std::string bytes;
    while (count-- > 0) bytes += static_cast<char>(number >> (8 * count) & 0xff);
    return bytes;
}

std::uint64_t number_in(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

std::string encoded(const record& r) {
    return bytes_of(r.kind, 2) + bytes_of(r.number, 4) + bytes_of(r.time, 8);
}

// Nothing at the end of the stream.
bight::task<std::optional<record>> next(bight::frame_reader& from) {
    const auto bytes = co_await from.next_view();
    if (!bytes) co_return std::nullopt;
    if (bytes->size() < shortest)
        throw std::system_error(make_error_code(std::errc::bad_message), "a record of a wrong size");
    co_return record{number_in(bytes->substr(0, 2)), number_in(bytes->substr(2, 4)),
                     number_in(bytes->substr(6, 8))};
}

bight::task<> answer(bight::stream& peer, bight::movable_deadline& health) {
    bight::frame_reader in(peer, records());
    bight::frame_writer out(peer, records());
    while (const auto r = co_await next(in)) {
        if (r->kind == keep_alive) co_await out.write(encoded(*r));
        health.push();  // not by a byte now and then
    }
}

bight::task<> look_after(bight::duration period, bight::stream peer) {
    const std::string who = peer.peer().to_string();
    std::printf("%s has come\n", who.c_str());
    bight::movable_deadline health(2 * period);
    const auto end = co_await bight::try_with_timeout(bight::as_result(answer(peer, health)), health);
    if (!end || !*end) peer.abort();  // there is nothing to wait for
    const std::string why = !end ? "no sign of life" : *end ? "it ended" : end->error().message();
    std::printf("%s has gone: %s\n", who.c_str(), why.c_str());
}

bight::task<> keep(std::string where, bight::duration period) {
    bight::stream server = co_await bight::connect(where);
    bight::frame_reader answers(server, records());
    bight::frame_writer out(server, records());
    bight::interval each(period);
    for (record asked{keep_alive, 1, 0};; ++asked.number) {
        const auto tick = co_await each.tick();
        asked.time = static_cast<std::uint64_t>(tick.scheduled.time_since_epoch().count());
        co_await out.write(encoded(asked));
        const auto got = co_await bight::with_timeout(next(answers), 2 * period);
        if (got != asked) throw std::runtime_error(got ? "that is not the answer" : "the server has ended");
        std::printf("%d: answered\n", static_cast<int>(got->number));
    }
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    const std::string role = argc > 1 ? argv[1] : "", where = argc > 2 ? argv[2] : "tcp:7070";
    char* end = nullptr;
    const std::chrono::seconds period(std::strtol(argc > 3 ? argv[3] : "10", &end, 10));
    if ((role != "server" && role != "client") || argc > 4 || *end || period < 1s || period > 24h) {
        std::fputs("usage: keepalive server|client [ENDPOINT [SECONDS]]\n", stderr);
        return 2;
    }
    if (role == "client") return bight::run(keep(where, period));
    return bight::run(bight::serve(where, look_after, bight::duration(period)));
}
