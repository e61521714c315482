// A server that keeps a journal, as it is right, and with a bug that such servers have had. Many lines share
// one sync (group commit); each line is a request:
//   ADD ID    OK    once ID survives a loss of power
#pragma once

#include "../files.hpp"

#include <bight/bight.hpp>

#include <fcntl.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace planted {

enum class journal_bug {
    none,
    confirmed_by_a_sync_of_before,  ///< what is written while a sync is under way is taken to be covered by
                                    ///< it
};

namespace journal {

struct state {
    journal_bug bug;
    std::int64_t file = -1;
    std::size_t written = 0;  ///< lines
    std::size_t durable = 0;
    bight::mutex lock{};
    bight::condition changed{};
};

inline std::int64_t must_succeed(std::int64_t result) {
    if (result < 0) throw std::runtime_error("the journal: error " + std::to_string(-result));
    return result;
}

inline bight::task<> commit(state& s) {
    auto held = co_await s.lock.lock();
    for (;;) {
        while (s.durable == s.written) co_await s.changed.wait(held);
        const std::size_t covered = s.written;
        held.unlock();
        while (true) {
            const auto synced = co_await test::on_handle(test::operation_kind::sync_file, s.file);
            if (synced == 0) break;
        }
        auto again = co_await s.lock.lock();
        held = std::move(again);
        s.durable = s.bug == journal_bug::confirmed_by_a_sync_of_before ? s.written : covered;
        s.changed.notify_all();
    }
}

inline bight::task<> add(state& s, std::string line) {
    auto held = co_await s.lock.lock();
    // What is before it may be a line that was cut short, by a full disk or a loss of power.
    line.insert(0, "\n");
    while (!line.empty()) {
        const auto size = co_await test::write_at(s.file, line);
        line.erase(0, static_cast<std::size_t>(must_succeed(size)));
    }
    const std::size_t mine = ++s.written;
    s.changed.notify_all();
    while (s.durable < mine) co_await s.changed.wait(held);
}

inline bight::task<> answer(state& s, bight::stream peer) {
    bight::line_reader lines(peer);
    while (auto line = co_await lines.next()) {
        if (!line->starts_with("ADD ")) co_return;
        co_await add(s, line->substr(4) + "\n");
        co_await peer.write("OK\r\n");
    }
}

}  // namespace journal

inline bight::task<> journal_server(journal_bug bug) {
    journal::state s{bug};
    const auto file = co_await test::open_file("journal", O_WRONLY | O_CREAT | O_APPEND);
    s.file = journal::must_succeed(file);
    co_await bight::with_group([&](bight::group& g) -> bight::task<> {
        g.spawn(journal::commit, std::ref(s));
        co_await bight::serve("tcp:8400", journal::answer, std::ref(s));
    });
}

}  // namespace planted
