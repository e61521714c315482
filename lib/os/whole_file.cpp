#include <bight/os/whole_file.hpp>

#include "file_error.hpp"
#include "random_name.hpp"
#include "removal.hpp"

#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/result.hpp>
#include <bight/os/file.hpp>
#include <bight/os/paths.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace {

// What a read asks for when the size does not say: a page, doubled each time.
constexpr std::size_t first_read = 4096;

// The longest name that file systems take, in bytes.
constexpr std::size_t longest_file_name = 255;

// The beginning of a text, which does not end within a character of UTF-8.
std::string beginning_of(const std::string& text, std::size_t most) {
    if (text.size() <= most) return text;
    std::size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return text.substr(0, end);
}

std::string temporary_beside(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string name = slash == path.npos ? path : path.substr(slash + 1);
    const std::string start = slash == path.npos ? "" : path.substr(0, slash + 1);
    const std::string end = "." + detail::random_name() + ".tmp";
    return start + "." + beginning_of(name, longest_file_name - 1 - end.size()) + end;
}

// `made`: whether there may be something of that name to be removed.
task<> write_and_rename(const std::string& temporary, const std::string& path, const_buffer bytes,
                        unsigned permissions, bool& made) {
    open_options options;
    options.access = file_access::write;
    options.creation = file_creation::must_be_new;
    options.permissions = permissions;
    made = true;
    file out;
    try {
        out = co_await open_file(temporary, options);
    } catch (const std::system_error& e) {
        made = false;
        throw;
    }
    co_await out.write_at(0, bytes);
    co_await out.sync();
    co_await out.close();
    co_await rename_path(temporary, path);
    made = false;
}

}  // namespace

task<std::string> read_file(std::string path, std::size_t limit) {
    file in = co_await open_file(path);
    const file_status status = co_await in.status();
    std::string text;
    std::size_t filled = 0;
    // One byte more than there should be: it tells the end.
    constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();
    const std::size_t most = limit == unlimited ? unlimited : limit + 1;
    const auto expected = static_cast<std::size_t>(std::min<std::uint64_t>(status.size, most - 1)) + 1;
    std::size_t room = std::max(expected, first_read);
    for (;;) {
        text.resize(std::min(room, most));
        const std::size_t got =
            co_await in.read_at(filled, mutable_buffer(text.data() + filled, text.size() - filled));
        filled += got;
        if (got == 0) break;
        if (filled > limit) {
            throw std::system_error(errc::too_long, "read " + detail::printable(path) + ": more than " +
                                                        std::to_string(limit) + " bytes");
        }
        if (filled == text.size()) room = 2 * text.size();
    }
    text.resize(filled);
    co_return text;
}

task<> write_file(std::string path, const_buffer bytes, unsigned permissions) {
    open_options options;
    options.access = file_access::write;
    options.creation = file_creation::if_missing;
    options.truncate = true;
    options.permissions = permissions;
    file out = co_await open_file(std::move(path), options);
    co_await out.write_at(0, bytes);
    co_await out.close();
}

task<> replace_file(std::string path, const_buffer bytes, unsigned permissions) {
    const std::string temporary = temporary_beside(path);
    bool made = false;
    task<> removal = detail::remove_if_made(temporary, made);
    co_await finally(write_and_rename(temporary, path, bytes, permissions, made),
                     [&removal] { return std::move(removal); });
    const result<void> synced = co_await as_result(sync_directory(directory_of(path)));
    if (!synced) {
        throw std::system_error(synced.error(), "sync " + detail::printable(directory_of(path)) +
                                                    ", in which " + detail::printable(path) +
                                                    " has been replaced");
    }
}

}  // namespace bight
