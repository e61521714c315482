// Counts the lines of ten verses, with wc as a child process.   wc
#include <bight/bight.hpp>
#include <bight/os/process.hpp>

#include <cstdio>
#include <string>

bight::task<> write_verses(bight::stream& to, int verses) {
    for (int i = 0; i < verses; ++i) {
        co_await to.write(
            "Aleph-null bottles of beer on the wall,\n"
            "Aleph-null bottles of beer,\n"
            "Take one down and pass it around,\n"
            "Aleph-null bottles of beer on the wall.\n");
    }
    co_await to.close();  // so that wc sees the end
}

bight::task<> count_lines() {
    bight::command wc("wc");
    wc.empty_environment().pipe_to(0).pipe_from(1).pipe_from(2);
    bight::process child = bight::process::spawn(wc);
    std::puts("connectionMade!");
    co_await write_verses(child.standard_input(), 10);
    std::puts("inConnectionLost! stdin is closed! (we probably did it)");

    std::string counts;
    while (auto part = co_await child.standard_output().read_some()) {
        std::printf("outReceived! with %zu bytes!\n", part.size());
        counts += part.view();
    }
    std::puts("outConnectionLost! The child closed their stdout!");
    std::printf("I saw %d lines\n", std::stoi(counts));

    while (auto part = co_await child.standard_error().read_some()) {
        std::printf("errReceived! with %zu bytes!\n", part.size());
    }
    std::puts("errConnectionLost! The child closed their stderr.");

    const bight::process_status exited = co_await child.wait();
    std::printf("processExited, status %d\n", exited.code().value_or(-1));
    const bight::process_status ended = co_await child.wait_drained();
    std::printf("processEnded, status %d\n", ended.code().value_or(-1));
    std::puts("quitting");
}

int main() { return bight::run(count_lines()); }
