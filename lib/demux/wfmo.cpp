#include "wfmo.hpp"

#include "time_limit.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

constexpr long all_events = FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CONNECT | FD_CLOSE;

SOCKET socket_of(const descriptor& d) noexcept { return static_cast<SOCKET>(d.fd); }

// Its ntdll has a function of this name, for programs that must know.
bool under_wine() noexcept {
    static const bool is = [] {
        const HMODULE system = ::GetModuleHandleW(L"ntdll.dll");
        return system && ::GetProcAddress(system, "wine_get_version");
    }();
    return is;
}

// It is reset by the wait that it ends.
HANDLE make_event() {
    const HANDLE made = ::CreateEventW(nullptr, FALSE, FALSE, nullptr);
    if (!made) throw std::system_error(system_error_code(last_error()), "CreateEvent");
    return made;
}

}  // namespace

wfmo::wfmo(reactor& home) : readiness(home, true), wake_event_(make_event()) {
    try {
        groups_.reserve(most_groups);
        awaited_.reserve(most_handles);
    } catch (...) {
        ::CloseHandle(wake_event_);
        throw;
    }
}

wfmo::~wfmo() {
    orphan_all();
    while (completion_request* const r = free_) {
        free_ = r->next;
        delete r;
    }
    for (const group& g : groups_) ::CloseHandle(g.event);
    ::CloseHandle(wake_event_);
}

// One wake stands for all until it has been seen.
void wfmo::wake() noexcept {
    if (!woken_.exchange(true, std::memory_order_acq_rel)) ::SetEvent(wake_event_);
}

void wfmo::watch(descriptor& d) {
    int type = 0;
    int size = sizeof type;
    if (::getsockopt(socket_of(d), SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) != 0) {
        DWORD flags = 0;
        if (!::GetHandleInformation(reinterpret_cast<HANDLE>(d.fd), &flags)) {
            throw std::system_error(system_error_code(last_error()), "handle " + std::to_string(d.fd));
        }
        if (d.never_waits) {
            d.slot = overlapped_handle;
            return;
        }
        if (handles_ == most_handles) {
            throw std::system_error(
                EMFILE, errno_category(),
                "wfmo waits for at most " + std::to_string(most_handles) +
                    " handles that are not sockets; iocp (BIGHT_REACTOR) has no such limit");
        }
        ++handles_;
        d.slot = idle_handle;
        return;
    }
    const std::size_t at = roomiest_group();
    group& g = groups_[at];
    g.members.push_back(&d);
    if (::WSAEventSelect(socket_of(d), g.event, all_events) != 0) {
        const int error = last_socket_error();
        g.members.pop_back();
        throw std::system_error(system_error_code(error), "WSAEventSelect on socket " + std::to_string(d.fd));
    }
    d.slot = static_cast<int>((g.members.size() - 1) << place_shift | at);
}

std::size_t wfmo::roomiest_group() {
    std::size_t best = 0;
    for (std::size_t i = 1; i < groups_.size(); ++i) {
        if (groups_[i].members.size() < groups_[best].members.size()) best = i;
    }
    if (groups_.empty() || (groups_[best].members.size() >= comfortable && groups_.size() < most_groups)) {
        groups_.emplace_back().event = nullptr;
        try {
            groups_.back().event = make_event();
        } catch (...) {
            groups_.pop_back();
            throw;
        }
        best = groups_.size() - 1;
    }
    return best;
}

void wfmo::unwatch(descriptor& d) noexcept {
    if (!is_socket(d)) {
        if (d.slot == awaited_handle) std::erase(awaited_, &d);
        if (d.slot == idle_handle || d.slot == awaited_handle) --handles_;
        d.slot = -1;
        return;
    }
    ::WSAEventSelect(socket_of(d), nullptr, 0);
    if (d.is_shared) select_shared_ones(d);
    if ((d.slot & is_looked_at) != 0) --looking_;
    auto& members = groups_[static_cast<std::size_t>(d.slot & group_mask)].members;
    const int place = d.slot >> place_shift;
    descriptor& last = *members.back();
    members[static_cast<std::size_t>(place)] = &last;
    last.slot = (last.slot & (group_mask | is_looked_at | tells_connection)) | place << place_shift;
    members.pop_back();
    d.slot = -1;
}

// The selection belongs to the socket, and not to one of its descriptors: it went with that which is closed.
void wfmo::select_shared_ones(const descriptor& closed) noexcept {
    for (const group& g : groups_) {
        for (const descriptor* const d : g.members) {
            if (d->is_shared && d != &closed) ::WSAEventSelect(socket_of(*d), g.event, all_events);
        }
    }
}

// A socket is selected once, for everything. Another handle is waited for while an operation waits.
void wfmo::interest_changed(descriptor& d) noexcept {
    if (is_socket(d)) {
        const bool looks = looks_again(d);
        if (looks == ((d.slot & is_looked_at) != 0)) return;
        d.slot ^= is_looked_at;
        looks ? ++looking_ : --looking_;
        return;
    }
    if (d.slot > idle_handle || d.slot == overlapped_handle) return;
    const bool wanted = waits_to_read(d);
    if (wanted && d.slot == idle_handle) {
        awaited_.push_back(&d);  // there is room
        d.slot = awaited_handle;
    } else if (!wanted && d.slot == awaited_handle) {
        std::erase(awaited_, &d);
        d.slot = idle_handle;
    }
}

// After an accept, also one that finds nothing, Windows records FD_ACCEPT again; Wine does only after one
// that has got a connection, and now and then it tells of one that has been accepted already.
bool wfmo::looks_again(const descriptor& d) noexcept {
    if (waits_to_write(d) && d.writing->kind == operation_kind::poll_write) return true;
    return (d.slot & tells_connection) != 0 && waits_to_read(d) && d.reading->kind == operation_kind::accept;
}

// They are tried once more, and wait again if there is nothing.
void wfmo::look_again() noexcept {
    for (descriptor& d : descriptors()) {
        if (!is_socket(d) || (d.slot & is_looked_at) == 0) continue;
        const bool accepts = (d.slot & tells_connection) != 0;
        became_ready(d, accepts, !accepts, false);
    }
}

// A wait tells the first handle that is signalled: those behind it are asked without waiting.
void wfmo::wait(duration limit) {
    HANDLE all[MAXIMUM_WAIT_OBJECTS];
    descriptor* others[most_handles];  // as they are at the beginning
    DWORD count = 0;
    all[count++] = wake_event_;
    const auto group_count = static_cast<DWORD>(groups_.size());
    for (const group& g : groups_) all[count++] = g.event;
    const DWORD first_other = count;
    for (descriptor* const d : awaited_) {
        others[count - first_other] = d;
        all[count++] = reinterpret_cast<HANDLE>(d->fd);
    }
    DWORD ms = limit == duration::max() ? INFINITE : static_cast<DWORD>(to_milliseconds(limit));
    if (looking_ > 0) {
        look_again();
        ms = std::min(ms, between_looks);
    }
    for (DWORD from = 0; from < count; ms = 0) {
        const DWORD got = ::WaitForMultipleObjectsEx(count - from, all + from, FALSE, ms, TRUE);
        if (got == WAIT_TIMEOUT) return;
        if (got == WAIT_IO_COMPLETION) continue;  // calls have ended: what else is there is looked at now
        if (got == WAIT_FAILED) {
            const int error = last_error();
            if (from == 0 && evict_closed(error)) return;
            throw std::system_error(system_error_code(error), "WaitForMultipleObjectsEx");
        }
        const DWORD which = from + (got >= WAIT_ABANDONED_0 ? got - WAIT_ABANDONED_0 : got - WAIT_OBJECT_0);
        if (which == 0) {
            woken_.exchange(false, std::memory_order_acq_rel);  // before what was posted is looked at
            woken();
        } else if (which <= group_count) {
            ask_all(groups_[which - 1]);
        } else {
            became_ready(*others[which - first_other], true, false, false);
        }
        from = which + 1;
    }
}

// A handle that was closed behind our back fails the whole wait: operations that wait for it get EBADF, the
// others go on.
bool wfmo::evict_closed(int error) noexcept {
    if (errno_of(error) != EBADF) return false;
    bool any = false;
    for (std::size_t i = awaited_.size(); i > 0; --i) {
        descriptor& d = *awaited_[i - 1];
        DWORD flags = 0;
        if (::GetHandleInformation(reinterpret_cast<HANDLE>(d.fd), &flags)) continue;
        any = true;
        became_ready(d, true, false, false);
    }
    return any;
}

void wfmo::ask_all(group& g) noexcept {
    for (descriptor* const d : g.members) ask(*d);
}

// What was reported is reported again only after a call that would not have been needed: FD_READ and
// FD_ACCEPT after a receive or an accept, FD_WRITE after a send that would block. FD_CLOSE comes once, so
// that the socket is to be drained from then on.
void wfmo::ask(descriptor& d) noexcept {
    WSANETWORKEVENTS told{};
    if (::WSAEnumNetworkEvents(socket_of(d), nullptr, &told) != 0) {
        became_ready(d, true, true, true);  // closed behind our back: the call says so
        return;
    }
    const long events = told.lNetworkEvents;
    if (events == 0) return;
    const int refused = told.iErrorCode[FD_CONNECT_BIT];
    if ((events & FD_CONNECT) != 0 && refused != 0 && d.writing &&
        d.writing->kind == operation_kind::connect) {
        static_cast<connect_operation*>(d.writing)->told_error = error_number(static_cast<DWORD>(refused));
    }
    if ((events & FD_ACCEPT) != 0 && under_wine()) d.slot |= tells_connection;
    const bool over = (events & (FD_CLOSE | FD_OOB)) != 0;
    if (d.is_shared) tell_shared_ones();
    became_ready(d, (events & (FD_READ | FD_ACCEPT)) != 0 || over,
                 (events & (FD_WRITE | FD_CONNECT)) != 0 || over, over);
}

// What is told of a socket is told once, to any of its descriptors: each tries.
void wfmo::tell_shared_ones() noexcept {
    for (const group& g : groups_) {
        for (descriptor* const d : g.members) {
            if (d->is_shared) became_ready(*d, true, false, false);
        }
    }
}

std::unique_ptr<demultiplexer> make_wfmo(reactor& home, refusal& why) {
    try {
        return std::make_unique<wfmo>(home);
    } catch (const std::system_error& e) {
        why = {e.what(), e.code()};
        return nullptr;
    }
}

}  // namespace bight::detail
