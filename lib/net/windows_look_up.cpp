// Look-ups by GetAddrInfoExW, which take no thread and can be cancelled; of names and services, on threads.
#include "look_up.hpp"

#include "idna.hpp"
#include "resolve.hpp"

#include "../core/system_error.hpp"
#include "../core/windows_text.hpp"
#include "../demux/windows_sockets.hpp"
#include "../io/socket_headers.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/net/resolver.hpp>
#include <bight/thread/detail/remote_call.hpp>

#include <windows.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

namespace {

class look_up_category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int code) const override { return windows_category().message(code); }
};

using completion = void(CALLBACK*)(DWORD error, DWORD bytes, OVERLAPPED* overlapped);
using start_call = int(WSAAPI*)(PCWSTR name, PCWSTR service, DWORD space, LPGUID provider,
                                const ADDRINFOEXW* hints, ADDRINFOEXW** found, timeval* limit,
                                OVERLAPPED* overlapped, completion completed, HANDLE* cancel);
using cancel_call = int(WSAAPI*)(HANDLE* cancel);

// Some headers have them with other types, or not at all.
template <class Call>
Call find_call(const char* name) noexcept {
    const HMODULE library = ::GetModuleHandleW(L"ws2_32.dll");
    return library ? reinterpret_cast<Call>(reinterpret_cast<void*>(::GetProcAddress(library, name)))
                   : nullptr;
}

struct look_up_calls {
    start_call start = find_call<start_call>("GetAddrInfoExW");
    cancel_call cancel = find_call<cancel_call>("GetAddrInfoExCancel");
};
const look_up_calls& calls() noexcept {
    static const look_up_calls found;
    return found;
}

// mingw's header gives the link another type.
const ADDRINFOEXW* next_of(const ADDRINFOEXW& of) noexcept {
    return reinterpret_cast<const ADDRINFOEXW*>(of.ai_next);
}

/// One look-up. Until the system has called back it is the system's; then that of the waiting task, or, if
/// that has gone, it is deleted.
class query final : private remote_call {
  public:
    class listener {
      public:
        virtual void ended() noexcept = 0;

      protected:
        ~listener() = default;
    };

    query(reactor& home, listener& waiting, const std::string& host, address::family_type family)
        : home_(home), waiting_(waiting), host_(to_utf16(host)) {
        const bool any = family == address::family_type::none;
        hints_.ai_family = any ? AF_UNSPEC : family == address::family_type::ipv6 ? AF_INET6 : AF_INET;
        hints_.ai_socktype = SOCK_STREAM;
        // Saves a query for addresses of a family that this machine does not have. Loopback addresses do not
        // count there.
        hints_.ai_flags = any ? AI_ADDRCONFIG : 0;
    }
    query(const query&) = delete;
    query& operator=(const query&) = delete;
    ~query() {
        if (found_) ::FreeAddrInfoExW(found_);
    }

    /// True when it has ended at once.
    bool start() noexcept {
        if (!calls().start) {
            status_ = WSAEOPNOTSUPP;
            return true;
        }
        const int status = calls().start(host_.c_str(), nullptr, NS_DNS, nullptr, &hints_, &found_, nullptr,
                                         &overlapped_.system, &query::completed, &handle_);
        if (status == WSA_IO_PENDING) return false;
        status_ = status;
        return true;
    }

    /// True when it was cancelled before its end: the system deletes it then. Otherwise listener::ended
    /// comes.
    bool cancel() noexcept {
        // (Wine's ends nothing: then it ends later, and nobody is told.)
        if (calls().cancel) (void)calls().cancel(&handle_);
        return !decided_.exchange(true, std::memory_order_acq_rel);
    }

    int status() const noexcept { return status_; }
    const ADDRINFOEXW* found() const noexcept { return found_; }

  private:
    struct overlapped_of_query {
        OVERLAPPED system{};
        query* owner = nullptr;
    };

    // On a thread of the system's.
    static void CALLBACK completed(DWORD error, DWORD, OVERLAPPED* overlapped) {
        query& q = *reinterpret_cast<overlapped_of_query*>(overlapped)->owner;
        q.status_ = static_cast<int>(error);
        if (q.decided_.exchange(true, std::memory_order_acq_rel)) {
            delete &q;
        } else {
            q.send(q.home_);
        }
    }
    void arrived() noexcept override { waiting_.ended(); }

    reactor& home_;
    listener& waiting_;
    const std::wstring host_;
    ADDRINFOEXW hints_{};
    ADDRINFOEXW* found_ = nullptr;
    HANDLE handle_ = nullptr;
    int status_ = 0;
    std::atomic<bool> decided_{false};  // it has ended, or was cancelled: the second one deletes it
    overlapped_of_query overlapped_{{}, this};
};

class look_up_awaiter final : public waiter, public awaiter_base<look_up_awaiter>, public query::listener {
  public:
    look_up_awaiter(const std::string& host, address::family_type family) noexcept
        : host_(host), family_(family) {}

    std::vector<address> await_resume() const {
        if (refused_) std::rethrow_exception(refused_);
        if (query_->status() != 0) {
            throw std::system_error(query_->status(), resolver_category(), "look-up of " + host_);
        }
        std::vector<address> found;
        for (const ADDRINFOEXW* at = query_->found(); at; at = next_of(*at)) {
            found.push_back(address::from_native(at->ai_addr, at->ai_addrlen));
        }
        return found;
    }
    void cancel() noexcept override {
        cancel_asked_ = true;
        if (!query_->cancel()) return;  // its end is on its way
        (void)query_.release();
        outside_.reset();
        confirm_cancel();
    }
    void describe(std::string& out) const override { out += "a look-up of " + host_; }

  private:
    friend awaiter_base<look_up_awaiter>;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        try {
            query_ = std::make_unique<query>(home(), *this, host_, family_);
        } catch (...) {
            refused_ = std::current_exception();
            return finish_now();
        }
        outside_.emplace(home());  // a virtual clock stands still meanwhile
        if (!query_->start()) return true;
        outside_.reset();
        return finish_now();
    }
    void ended() noexcept override {
        outside_.reset();
        if (cancel_asked_ && query_->status() == WSA_E_CANCELLED) {
            confirm_cancel();
        } else {
            ready();
        }
    }

    const std::string& host_;
    const address::family_type family_;
    std::unique_ptr<query> query_;
    std::optional<outside_work> outside_;
    std::exception_ptr refused_;
    bool cancel_asked_ = false;
};

}  // namespace

std::string ask_name(const address& of) {
    start_windows_sockets();
    wchar_t name[NI_MAXHOST];
    const int status =
        ::GetNameInfoW(static_cast<const sockaddr*>(of.native()), static_cast<socklen_t>(of.native_size()),
                       name, NI_MAXHOST, nullptr, 0, NI_NAMEREQD);
    if (status != 0) {
        throw std::system_error(status, resolver_category(), "look-up of the name of " + of.host());
    }
    return to_utf8(name);
}

bool keeps_resolv_conf() noexcept { return false; }

std::string name_of_this_machine() { return {}; }

std::uint16_t ask_service(const std::string& service, bool datagrams) {
    start_windows_sockets();
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = datagrams ? SOCK_DGRAM : SOCK_STREAM;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(nullptr, service.c_str(), &hints, &list);
    if (status != 0) {
        throw std::system_error(status, resolver_category(), "look-up of the service " + service);
    }
    const std::unique_ptr<addrinfo, void(WSAAPI*)(addrinfo*)> freed(list, &::freeaddrinfo);
    return address::from_native(list->ai_addr, list->ai_addrlen).port();
}

task<std::vector<address>> look_up(std::string host, address::family_type family) {
    start_windows_sockets();
    std::vector<address> found;
    if (!is_ascii(host)) {
        host = idna_form(host);
        if (found_here(host, 0, family, found)) co_return found;
    }
    found = co_await look_up_awaiter(host, family);
    co_return found;
}

}  // namespace detail

const std::error_category& resolver_category() noexcept {
    static const detail::look_up_category the_category;
    return the_category;
}

}  // namespace bight
