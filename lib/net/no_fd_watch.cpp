#include <bight/core/error.hpp>
#include <bight/net/fd_watch.hpp>

#include <system_error>

namespace bight {

namespace detail {

class descriptor_set {};

namespace {

[[noreturn]] void refuse_fd_watch() {
    throw std::system_error(errc::unavailable, "fd_watch: it is not supported on this system, only on Linux");
}

}  // namespace

}  // namespace detail

fd_watch::fd_watch() = default;
fd_watch::~fd_watch() = default;
void fd_watch::add(int, fd_interest, handler) { detail::refuse_fd_watch(); }
void fd_watch::change(int, fd_interest) { detail::refuse_fd_watch(); }
bool fd_watch::remove(int) noexcept { return false; }
std::vector<watched_fd> fd_watch::remove_all() { return {}; }
std::vector<watched_fd> fd_watch::list() const { return {}; }

task<> fd_watch::run() {
    detail::refuse_fd_watch();
    co_return;
}

task<> fd_watch::run_until_empty() {
    detail::refuse_fd_watch();
    co_return;
}

task<fd_readiness> fd_ready(int, fd_interest) {
    detail::refuse_fd_watch();
    co_return fd_readiness();
}

}  // namespace bight
