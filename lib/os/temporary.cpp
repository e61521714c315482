#include <bight/os/temporary.hpp>

#include "file_error.hpp"
#include "random_name.hpp"

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

task<file> open_nameless(const std::string& directory, std::string& name) {
    file made = co_await create_temporary_file(directory);
    name = made.path();
    co_return made;
}

task<> drop_name(const std::string& name) {
    if (name.empty()) co_return;
    co_await remove_file(name);
}

}  // namespace

std::string temporary_directory() {
    if (detail::platform::current()) return "/tmp";
    const std::u8string path = std::filesystem::temp_directory_path().u8string();
    return std::string(path.begin(), path.end());
}

task<file> create_temporary_file(std::string directory, std::string prefix) {
    open_options options;
    options.access = file_access::read_and_write;
    options.creation = file_creation::must_be_new;
    options.permissions = 0600;
    for (int tried = 1;; ++tried) {
        auto made = co_await as_result(open_file(new_name(directory, prefix), options));
        if (made || !is_taken(made.error()) || tried == detail::most_names_tried) {
            if (made) co_return std::move(*made);
            throw std::system_error(
                made.error(), "create a temporary file in " +
                                  detail::printable(directory.empty() ? temporary_directory() : directory));
        }
    }
}

task<file> open_temporary_file(std::string directory) {
    std::string name;
    co_return co_await finally(open_nameless(directory, name), [&name] { return drop_name(name); });
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
