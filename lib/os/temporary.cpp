#include <bight/os/temporary.hpp>

#include "file_error.hpp"
#include "random_name.hpp"
#include "removal.hpp"

#include "../core/platform.hpp"

#include <bight/core/finally.hpp>
#include <bight/core/result.hpp>
#include <bight/os/paths.hpp>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace {

std::string new_name(const std::string& directory, const std::string& prefix) {
    std::string start = directory.empty() ? temporary_directory() : directory;
    if (!start.ends_with('/')) start += '/';
    return start + prefix + detail::random_name();
}

bool is_taken(std::error_code error) noexcept { return error == std::errc::file_exists; }

open_options for_new_file() noexcept {
    open_options options;
    options.access = file_access::read_and_write;
    options.creation = file_creation::must_be_new;
    options.permissions = 0600;
    return options;
}

[[noreturn]] void throw_not_made(std::error_code why, const std::string& directory) {
    throw std::system_error(why,
                            "create a temporary file in " +
                                detail::printable(directory.empty() ? temporary_directory() : directory));
}

// `made`: whether there may be something of that name to be removed.
task<file> open_new(const std::string& name, bool& made) {
    file opened;
    made = true;
    try {
        opened = co_await open_file(name, for_new_file());
    } catch (const std::system_error&) {
        made = false;
        throw;
    }
    co_return opened;
}

task<file> open_nameless(const std::string& directory) {
    const std::string name = new_name(directory, "tmp-");
    bool made = false;
    task<> removal = detail::remove_if_made(name, made);
    co_return co_await finally(open_new(name, made), [&removal] { return std::move(removal); });
}

}  // namespace

std::string temporary_directory() {
    if (detail::platform::current()) return "/tmp";
    const std::u8string path = std::filesystem::temp_directory_path().u8string();
    return std::string(path.begin(), path.end());
}

task<file> create_temporary_file(std::string directory, std::string prefix) {
    for (int tried = 1;; ++tried) {
        auto made = co_await as_result(open_file(new_name(directory, prefix), for_new_file()));
        if (made) co_return std::move(*made);
        if (!is_taken(made.error()) || tried == detail::most_names_tried)
            throw_not_made(made.error(), directory);
    }
}

task<file> open_temporary_file(std::string directory) {
    for (int tried = 1;; ++tried) {
        auto made = co_await as_result(open_nameless(directory));
        if (made) co_return std::move(*made);
        if (!is_taken(made.error()) || tried == detail::most_names_tried)
            throw_not_made(made.error(), directory);
    }
}

task<std::string> create_temporary_directory(std::string directory, std::string prefix) {
    for (int tried = 1;; ++tried) {
        std::string name = new_name(directory, prefix);
        const result<void> made = co_await as_result(create_directory(name, 0700));
        if (made) co_return name;
        if (!is_taken(made.error()) || tried == detail::most_names_tried) {
            throw std::system_error(made.error(), "create directory " + detail::printable(name));
        }
    }
}

}  // namespace bight
