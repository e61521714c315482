#include "trace_files.hpp"

#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace bight::sim::detail {

std::string write_file(const std::string& name, const std::string& text) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(name).parent_path(), error);
    if (error) return error.message();
    errno = 0;
    std::ofstream file(name, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (file) return {};
    return std::error_code(errno != 0 ? errno : EIO, std::generic_category()).message();
}

std::string trace_files::name(const explore_options& options, std::uint64_t seed, const char* ending) {
    std::string name;
    for (const char c : options.name) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    return options.directory + "/" + name + "-seed-" + std::to_string(seed) + ending;
}

void trace_files::write_lines(const std::string& lines) {
    if (options_.directory.empty() || lines.empty()) return;
    const std::string file = name(options_, seed_, ".jsonl");
    add(file, write_file(file, lines));
}

void trace_files::add(const std::string& file, const std::string& error) {
    if (error.empty()) {
        written_ += (written_.empty() ? "" : " and ") + file;
    } else {
        failed_ += "bight: " + file + " could not be written: " + error + "\n";
    }
}

std::string trace_files::text() const {
    return (written_.empty() ? "" : "bight: the whole trace is in " + written_ + "\n") + failed_;
}

}  // namespace bight::sim::detail
