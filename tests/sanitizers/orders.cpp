// Threads that only sockets order, and rings that follow each other at one address: ThreadSanitizer has
// nothing to report.
#include "connected.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace {

using bight::task;

// Without an order of its own, so that it hides nothing.
void wait_for(const std::atomic<int>& step, int reached) {
    while (step.load(std::memory_order_relaxed) < reached) std::this_thread::yield();
}

void insist(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", what);
    std::_Exit(1);
}

int connect_plainly(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    insist(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0, "connect");
    return fd;
}

// Each side writes a variable before it sends, and reads the other's after it has received.
task<> talk_to_a_plain_thread() {
    int asked = 0;
    int answered = 0;
    bight::listener at = bight::listen("tcp:127.0.0.1:0");
    std::thread other([&, port = at.local().port()] {
        const int fd = connect_plainly(port);
        asked = 1;
        char byte = '?';
        insist(::send(fd, &byte, 1, 0) == 1, "send");
        insist(::recv(fd, &byte, 1, 0) == 1, "recv");
        insist(answered == 1, "the answer");
        ::close(fd);
    });
    bight::stream peer = co_await at.accept();
    const bight::chunk question = co_await peer.read_some();
    insist(question.size() == 1 && asked == 1, "the question");
    answered = 1;
    co_await peer.write("!");
    const bight::chunk end = co_await peer.read_some();
    insist(end.empty(), "the end");
    other.join();
}

task<> talk_to_another_reactor() {
    int asked = 0;
    int answered = 0;
    bight::listener at = bight::listen("tcp:127.0.0.1:0");
    const std::string where = "tcp:127.0.0.1:" + std::to_string(at.local().port());
    std::thread other([&] {
        test::on_a_reactor({}, [&]() -> task<> {
            asked = 1;
            bight::stream to = co_await bight::connect(where);
            co_await to.write("?");
            char byte = 0;
            co_await to.read_exactly(bight::mutable_buffer(&byte, 1));
            insist(answered == 1, "the answer");
        });
    });
    bight::stream peer = co_await at.accept();
    insist(asked == 1, "what came before the connection");
    const bight::chunk question = co_await peer.read_some();
    insist(question.size() == 1, "the question");
    answered = 1;
    co_await peer.write("!");
    const bight::chunk end = co_await peer.read_some();
    insist(end.empty(), "the end");
    other.join();
}

task<> nothing() { co_await bight::yield(); }

// The second reactor's memory is that of the first, and nothing orders their threads.
void make_one_after_the_other() {
    std::atomic<int> step{0};
    std::thread first([&] {
        test::on_a_reactor({}, nothing);
        step.store(1, std::memory_order_relaxed);
    });
    std::thread second([&] {
        wait_for(step, 1);
        test::on_a_reactor({}, nothing);
    });
    first.join();
    second.join();
}

}  // namespace

int main() {
    test::on_a_reactor({}, talk_to_a_plain_thread);
    test::on_a_reactor({}, talk_to_another_reactor);
    make_one_after_the_other();
    std::puts("all in order");
}
