// Mistakes of a program that a tool must report, whichever demultiplexer carries them out.
//   mistakes NAME     (BIGHT_REACTOR names the demultiplexer; status 77: there is none of that name here)
#include "connected.hpp"

#include <atomic>
#include <cstring>
#include <string_view>
#include <thread>

namespace {

using bight::task;

// What the program makes of a byte; the compiler cannot know whether it matters.
[[gnu::noinline]] void use(const char* byte) {
    if (*byte == 'x') std::puts("x");
}

// A pointer of which the compiler does not know what it points to.
char* hidden(char* pointer) {
    asm volatile("" : "+r"(pointer));
    return pointer;
}

task<> send_freed(test::connected& c) {
    char* const bytes = hidden(new char[64]());
    delete[] bytes;
    co_await c.client.write(bight::const_buffer(bytes, 64));
}

task<> send_without_values(test::connected& c) {
    char* const bytes = hidden(new char[64]);
    co_await c.client.write(bight::const_buffer(bytes, 64));
    delete[] bytes;
}

task<> receive_freed(test::connected& c) {
    char* const bytes = hidden(new char[64]);
    delete[] bytes;
    co_await c.client.write("hello");
    co_await c.server.read_some(bight::mutable_buffer(bytes, 64));
}

task<> use_what_did_not_come(test::connected& c) {
    char* const bytes = hidden(new char[64]);
    co_await c.client.write("hello");
    co_await c.server.read_some(bight::mutable_buffer(bytes, 64));
    use(bytes + 5);
    delete[] bytes;
}

task<> use_dropped(test::connected& c) {
    co_await c.client.write("hello");
    const char* bytes = nullptr;
    {
        const bight::chunk part = co_await c.server.read_some();
        bytes = part.data();
    }
    use(bytes);
}

// Without an order, however long ago.
void on_another_thread(std::atomic<bool>& done, std::thread& thread, void (*what)(char*), char* bytes) {
    thread = std::thread([&done, what, bytes] {
        what(bytes);
        done.store(true, std::memory_order_relaxed);
    });
    while (!done.load(std::memory_order_relaxed)) std::this_thread::yield();
}

task<> send_what_another_thread_writes(test::connected& c) {
    char bytes[64] = {};
    std::atomic<bool> done{false};
    std::thread thread;
    on_another_thread(done, thread, [](char* to) { to[0] = 'x'; }, bytes);
    co_await c.client.write(bight::const_buffer(bytes, sizeof bytes));
    thread.join();
}

task<> receive_what_another_thread_reads(test::connected& c) {
    char bytes[64] = {};
    std::atomic<bool> done{false};
    std::thread thread;
    on_another_thread(done, thread, [](char* from) { use(from); }, bytes);
    co_await c.client.write("hello");
    co_await c.server.read_some(bight::mutable_buffer(bytes, sizeof bytes));
    thread.join();
}

struct mistake {
    std::string_view name;
    task<> (*make)(test::connected&);
};

constexpr mistake mistakes[] = {
    {"send_freed", send_freed},
    {"send_without_values", send_without_values},
    {"receive_freed", receive_freed},
    {"use_what_did_not_come", use_what_did_not_come},
    {"use_dropped", use_dropped},
    {"send_what_another_thread_writes", send_what_another_thread_writes},
    {"receive_what_another_thread_reads", receive_what_another_thread_reads},
};

task<> make(const mistake& one) {
    test::connected c = co_await test::connect_over("tcp:127.0.0.1:0");
    try {
        co_await one.make(c);
    } catch (const std::exception& e) {  // the kernel may refuse memory, after the tool has reported it
        std::fprintf(stderr, "%s\n", e.what());
    }
}

}  // namespace

int main(int argc, char** argv) {
    for (const mistake& one : mistakes) {
        if (argc == 2 && one.name == argv[1]) {
            test::on_a_reactor({}, [&] { return make(one); });
            return 0;
        }
    }
    std::fputs("usage: mistakes NAME\n", stderr);
    return 2;
}
