// What tests of the same behaviour in all places share.
#pragma once

#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>

#include <cerrno>
#include <string>

namespace test {

/// What they write down of a reset.
inline const std::string reset_error = "error " + std::to_string(ECONNRESET);

/// Asks, and reads as many bytes as it has written.
inline bight::task<std::string> answer_of(bight::stream& from, std::string question) {
    co_await from.write(question);
    std::string answer(question.size(), '\0');
    co_await from.read_exactly(answer);
    co_return answer;
}

}  // namespace test
