// resolver, system_resolver: looks up the addresses of names, and the names of addresses.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/task.hpp>
#include <bight/io/address.hpp>
#include <bight/io/resolved_host.hpp>

#include <memory>
#include <string>
#include <system_error>
#include <type_traits>

namespace BIGHT_EXPORT bight {

namespace detail {
struct look_ups_under_way;
class resolver_access;
}  // namespace detail

/// Options of resolver::resolve.
struct resolve_options {
    /// Only addresses of this family; none: both.
    address::family_type family = address::family_type::none;
    /// Whether the service is one of UDP, and not of TCP.
    bool datagrams = false;
};
static_assert(std::is_trivially_destructible_v<resolve_options>);  // see reactor_options

/// Looks up names. `connect` and `datagram_socket::connect` use the system's, or the one in their options:
///
///     bight::resolved_host found = co_await bight::system_resolver().resolve("example.org", "https");
///     std::string name = co_await bight::system_resolver().reverse(peer.peer());
///
/// Whatever it asks, it asks once at a time: tasks of one reactor that look up the same name meanwhile (for
/// whatever service, in upper or lower case) wait for the same answer, or get the same error. One of them
/// that is cancelled leaves the others waiting; the look-up is cancelled with the last one. Whoever asks
/// while it then comes to its end begins another. Tasks of other reactors have look-ups of their own.
///
/// To make one, derive from it and implement look_up, and look_up_name where addresses have names.
/// Destroying it while a task waits for it, or for the end of a look-up that it has cancelled, ends the
/// process with a message that names the look-up. Thread: as the derived class says.
class resolver {
  public:
    /// Throws std::bad_alloc.
    resolver();
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;
    virtual ~resolver();

    /// The addresses of `host`, each with the port of `service`: a number ("443"), a name ("https"), or empty
    /// for port 0. Numeric addresses need no look-up, nor do "localhost" and names that end in ".localhost"
    /// (RFC 6761: 127.0.0.1, then ::1). The usual services are known (docs/net/names.md lists them); others
    /// are in the database of services(5), which is read on a thread.
    ///
    /// Throws std::system_error with a message that names `host`: EINVAL at once for what is no name (an
    /// empty label, one of more than 63 characters, a name of more than 253, control characters),
    /// EILSEQ for one that is not UTF-8; EAFNOSUPPORT for a numeric address of another family; EDEADLK for a
    /// look-up that asks for itself; what the look-up throws: that of the system errors of category
    /// "getaddrinfo" (EAI_NONAME, …), which resolver_errc tells apart. A service that is not known is
    /// EAI_SERVICE of that category. Cancelling ends the wait.
    task<resolved_host> resolve(std::string host, std::string service = {}, resolve_options options = {});

    /// The name of an IPv4 or IPv6 address; its port does not matter, and ::ffff:192.0.2.1 is 192.0.2.1.
    /// Throws std::system_error: EAFNOSUPPORT for other addresses; an error of the look-up when it has none
    /// (of the system's EAI_NONAME). Cancelling ends the wait.
    task<std::string> reverse(address of);

  protected:
    /// Called by resolve, within a task of the reactor, when no other task there looks up the same: gives the
    /// addresses of `host`, of `family` (none: of both), in the order in which they are to be tried (RFC
    /// 6724); their ports do not matter, and those of other families are left out. Throws when there are
    /// none; an answer without any is EAI_NONAME. `host` is no numeric address, and is checked as said above;
    /// it is in lower case (of ASCII), and may have a final dot, and characters beyond ASCII as UTF-8. When
    /// the last task that waits is cancelled, this task is.
    ///
    /// It is the task of all who wait, and so none of theirs: their task locals are not visible here. It must
    /// not depend on itself, as one that connects to a server by a name that it looks up by itself: asking
    /// for the same name is EDEADLK, two look-ups that ask for each other's name wait until they are
    /// cancelled.
    virtual task<resolved_host> look_up(std::string host, address::family_type family) = 0;
    /// The same for reverse. Unless it is overridden, it throws EOPNOTSUPP.
    virtual task<std::string> look_up_name(address of);

  private:
    friend class detail::resolver_access;
    const std::unique_ptr<detail::look_ups_under_way> under_way_;
};

/// The system's: getaddrinfo(3) and getnameinfo(3), on up to 64 threads reserved for look-ups, so that they
/// and the program's jobs do not wait for each other; on Windows GetAddrInfoExW, which needs none. So it
/// looks where the system is set up to look (hosts file, DNS, …; nsswitch.conf(5)), with its search domains.
/// Names beyond ASCII are looked up by their IDNA form where the C library can do that (glibc with libidn2;
/// Windows), and are EINVAL elsewhere. A simulated host asks its world.
///
/// Cancelling ends the wait; getaddrinfo(3) itself, which nothing can stop, goes on to its end on its thread.
/// Thread: any with a reactor.
resolver& system_resolver();

/// The category of the errors of getaddrinfo(3), EAI_NONAME, … of <netdb.h>. Windows has the same names for
/// codes of its own.
const std::error_category& resolver_category() noexcept;

/// What the errors of look-ups say, the same on every system; their codes are compared with it:
///
///     if (e.code() == bight::resolver_errc::no_such_name) …
enum class resolver_errc {
    no_such_name = 1,  ///< there is no such name, or it has no address (EAI_NONAME, EAI_NODATA, …)
    try_again,         ///< no server has answered, now (EAI_AGAIN)
    failed,            ///< the servers have failed for good (EAI_FAIL)
    no_such_service,   ///< the service is not known (EAI_SERVICE)
};
std::error_condition make_error_condition(resolver_errc e) noexcept;
/// A code of resolver_category() for it, for a resolver of one's own to throw.
std::error_code make_error_code(resolver_errc e) noexcept;

}  // namespace bight

template <>
struct std::is_error_condition_enum<bight::resolver_errc> : std::true_type {};
