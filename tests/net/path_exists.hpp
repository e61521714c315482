// path_exists: whether something has that name, dangling symbolic links included.
#pragma once

#include <filesystem>
#include <string>

namespace test {

inline bool path_exists(const std::string& path) {
    return std::filesystem::exists(std::filesystem::symlink_status(path));
}

}  // namespace test
