// file_watch where bight has none yet.
#include <bight/os/file_watch.hpp>

#include <bight/core/error.hpp>

#include <string>
#include <system_error>

namespace bight {

namespace detail {
class watched_files {};
}  // namespace detail

namespace {

[[noreturn]] void refuse() {
    throw std::system_error(errc::unavailable, "file_watch: bight has none for this system");
}
task<> refuse_add() {
    refuse();
    co_return;
}
task<file_event> refuse_next() {
    refuse();
    co_return file_event();
}

}  // namespace

file_watch::file_watch() : files_(std::make_shared<detail::watched_files>()) {}

file_watch::~file_watch() = default;

task<> file_watch::add(std::string, bool) { return refuse_add(); }

bool file_watch::remove(const std::string&) { return false; }

std::size_t file_watch::size() const noexcept { return 0; }

task<file_event> file_watch::next() { return refuse_next(); }

}  // namespace bight
