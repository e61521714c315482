// own_directory: where a test has its files, on whatever host it runs.
#pragma once

#include "support/connections.hpp"

#include <bight/core/result.hpp>
#include <bight/core/task.hpp>
#include <bight/os/paths.hpp>

#include <exception>
#include <string>
#include <system_error>
#include <utility>

namespace test {

/// Its path. On a simulated host it is made there, too.
inline bight::task<std::string> own_directory(const temporary_directory& here) {
    std::string path = here.file("own");
    co_await bight::create_directories(path);
    co_return path;
}

/// The error of a task, "" if it has none.
template <class T>
bight::task<std::string> words_of_error(bight::task<T> of) {
    try {
        (void)co_await std::move(of);
    } catch (const std::exception& e) {
        co_return e.what();
    }
    co_return std::string();
}
template <>
inline bight::task<std::string> words_of_error(bight::task<void> of) {
    try {
        co_await std::move(of);
    } catch (const std::exception& e) {
        co_return e.what();
    }
    co_return std::string();
}
template <class T>
bight::task<std::error_code> code_of(bight::task<T> of) {
    auto got = co_await bight::as_result(std::move(of));
    co_return got ? std::error_code() : got.error();
}

}  // namespace test
