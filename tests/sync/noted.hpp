// Tasks at a channel that note what they did.
#pragma once

#include <bight/core/task.hpp>
#include <bight/sync/channel.hpp>

#include <vector>

namespace test {

using log_of = std::vector<int>;

inline bight::task<> send_and_note(bight::channel<int>& ch, int value, log_of& log) {
    co_await ch.send(value);
    log.push_back(value);
}

inline bight::task<> receive_all(bight::channel<int>& ch, log_of& log) {
    while (auto value = co_await ch.receive()) log.push_back(*value);
}

}  // namespace test
