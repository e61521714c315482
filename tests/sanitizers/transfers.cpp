// Moves bytes in every way that streams have, and looks at each byte that comes: a tool that watches memory
// has nothing to report.
#include "connected.hpp"

#include <unistd.h>

#include <cstddef>
#include <vector>

namespace {

using bight::stream;
using bight::task;

char byte_at(std::size_t i) { return static_cast<char>('a' + i * 7 % 23); }

std::string pattern(std::size_t size) {
    std::string made(size, '\0');
    for (std::size_t i = 0; i < size; ++i) made[i] = byte_at(i);
    return made;
}

// Memcheck and MemorySanitizer look at bytes where something depends on them.
std::size_t look(const char* bytes, std::size_t size, std::size_t from) {
    for (std::size_t i = 0; i < size; ++i) {
        if (bytes[i] != byte_at(from + i)) {
            std::fprintf(stderr, "byte %zu is wrong\n", from + i);
            std::_Exit(1);
        }
    }
    return from + size;
}

task<> read_chunks(stream& from, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
        const bight::chunk part = co_await from.read_some();
        if (part.empty()) std::_Exit(1);
        got = look(part.data(), part.size(), got);
    }
}

task<> read_into(stream& from, std::size_t size) {
    std::size_t got = 0;
    while (got < size) {
        char part[5000];
        const std::size_t count = co_await from.read_some(bight::mutable_buffer(part, sizeof part));
        if (count == 0) std::_Exit(1);
        got = look(part, count, got);
    }
}

// Holds more than the reactor's ring of buffers has, so that later receives bring their own.
task<> read_and_keep(stream& from, std::size_t size) {
    std::vector<bight::chunk> all;
    std::size_t got = 0;
    while (got < size) {
        all.push_back(co_await from.read_some());
        if (all.back().empty()) std::_Exit(1);
        got += all.back().size();
    }
    got = 0;
    for (const bight::chunk& part : all) got = look(part.data(), part.size(), got);
}

task<> both(task<> one, task<> other) { co_await bight::when_all(std::move(one), std::move(other)); }

task<> write_pieces(stream& to, const std::string& bytes) {
    const std::string_view all = bytes;
    const std::size_t third = all.size() / 3;
    co_await to.write(all.substr(0, third), all.substr(third, third), all.substr(2 * third));
}

task<> write_little_by_little(stream& to, const std::string& bytes, std::size_t step) {
    const std::string_view all = bytes;
    for (std::size_t at = 0; at < all.size(); at += step) {
        co_await to.write(all.substr(at, step));
        co_await bight::yield();
    }
}

task<> transfer_over(std::string where) {
    const std::string some = pattern(3000);
    const std::string much = pattern(400'000);
    test::connected c = co_await test::connect_over(where);
    co_await both(write_pieces(c.client, some), read_chunks(c.server, some.size()));
    co_await both(write_pieces(c.server, some), read_into(c.client, some.size()));
    // What comes while nobody reads is gathered.
    co_await write_little_by_little(c.client, some, 100);
    co_await read_chunks(c.server, some.size());
    co_await both(write_pieces(c.client, much), read_and_keep(c.server, much.size()));
    co_await both(write_pieces(c.server, much), read_chunks(c.client, much.size()));
    co_await both(write_pieces(c.client, much), read_into(c.server, much.size()));
    test::connected next = co_await test::connect_over(where);
    auto pass_on = [&]() -> task<> {
        const auto passed = co_await bight::copy(c.server, next.client);
        if (passed != much.size()) std::_Exit(1);
    };
    auto say = [&]() -> task<> {
        co_await write_pieces(c.client, much);
        co_await c.client.close();
    };
    co_await bight::when_all(pass_on(), say(), read_chunks(next.server, much.size()));
    // A chunk that is dropped on another thread goes back from there.
    co_await next.client.write(std::string_view(some).substr(0, 10));
    bight::chunk last = co_await next.server.read_some();
    auto look_at_it = [part = std::move(last)] { look(part.data(), part.size(), 0); };
    co_await bight::offload(std::move(look_at_it));
    co_await both(write_pieces(next.client, some), read_chunks(next.server, some.size()));
}

task<> transfer() {
    co_await transfer_over("tcp:127.0.0.1:0");
    co_await transfer_over("unix:@bight-transfers-" + std::to_string(::getpid()));
}

}  // namespace

int main() {
    test::on_a_reactor({.receive_buffers = 32}, transfer);
    std::puts("every byte came");
}
