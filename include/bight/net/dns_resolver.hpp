// dns_resolver: asks DNS servers itself, over bight's own sockets.
#pragma once

#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/io/address.hpp>
#include <bight/net/resolver.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace BIGHT_EXPORT bight {

namespace detail {
struct dns_state;
}

/// Whom a dns_resolver asks, and what it knows itself. The default is what resolv.conf(5) has by default.
struct dns_options {
    /// An entry of hosts(5).
    struct host {
        std::string name;
        address at;
    };

    /// The servers, asked in this order; without any, 127.0.0.1. A port of 0 stands for 53.
    std::vector<address> servers;
    /// Domains in which a name without a final dot is looked up, too; beyond ASCII, their IDNA form, and
    /// those that have none are left out.
    std::vector<std::string> search;
    /// A name with fewer dots is looked up in the domains before it is looked up as it is.
    unsigned ndots = 1;
    /// How long one server has for one answer.
    duration timeout = std::chrono::seconds(5);
    /// How often each server is asked.
    unsigned attempts = 2;
    /// Whether servers are told that answers over UDP may have up to 1,232 bytes (EDNS, RFC 6891), which
    /// saves going over TCP for long ones. One that does not know that is asked again without it at once, and
    /// from then on; one that is silent, after half of `timeout`, too, and for five minutes if it has
    /// answered that; one that fails or refuses without a word of EDNS, at its next attempt.
    bool edns = true;
    /// Whether the first server to be asked changes from query to query.
    bool rotate = false;
    /// How many queries are under way at once, each with a socket; further ones wait, first come, first
    /// served, and this wait is not part of `timeout`. At least 1.
    std::size_t most_at_once = 64;
    /// Names that need no query.
    std::vector<host> hosts;
};

/// What is in these texts, of resolv.conf(5) (nameserver, domain, search, and of options ndots, timeout,
/// attempts and rotate) and hosts(5); what is not understood is passed over, as by the C library, and what is
/// beyond the limits of resolv.conf(5) is cut down to them (three servers); of domains there are 64 at most.
/// `host_name` is that of the machine: without a line "search" or "domain", what is behind its first dot is
/// searched; "search ." is for no domain. Throws std::bad_alloc.
dns_options parse_dns_options(std::string_view resolv_conf, std::string_view hosts = {},
                              std::string_view host_name = {});

/// The same of this machine's files, /etc/resolv.conf and /etc/hosts, and of gethostname(2): it may block for
/// moments. A file that is not there is empty; std::system_error, with its path, for one that cannot be read
/// to its end, as a directory. On Windows, and on a simulated host, which reads no file of
/// the machine: std::system_error with EOPNOTSUPP.
dns_options system_dns_options();

/// A DNS client on bight's sockets (RFC 1035): it has no threads, is cancelled at once, runs in the
/// simulation, and its answers say how long they may be kept. For use with a cache:
///
///     bight::dns_resolver dns(bight::system_dns_options());
///     bight::caching_resolver names(dns);
///
/// A query goes over UDP, from a port of its own each time, with an unpredictable id; what comes from
/// elsewhere, has another id or another question is passed over (RFC 5452). An answer that was cut off is
/// asked for again over TCP. A server that does not answer in time, fails or refuses makes way for the next.
/// Queries for IPv6 and IPv4 are sent together; once one has given addresses to which there is a way, the
/// other has 50 ms left (RFC 8305, 3). What is given then says so (resolved_host::missing), and is to be kept
/// for 5 seconds at most, as where the other's servers have failed. That a name is not there in one family
/// does not hide its addresses of the other (RFC 4074, 4.2), nor that the other's servers have not answered.
/// Addresses come in the order of RFC 6724 (6), by what this machine would send from: those to which it has
/// no way last, then by scope, label and precedence, so that those of IPv6 mostly come first; of IPv6 by the
/// length of the common prefix; of more than ten of a family the others follow behind, as they came. (What it
/// does not know is whether an own address is deprecated.)
///
/// A name that is not there is EAI_NONAME of resolver_category(). Without an answer the error's message says
/// what has become of each server; its code is that of this machine where no query could be sent
/// (ENETUNREACH), at once, or else EAI_AGAIN, when the name is in no other search domain either. Names beyond
/// ASCII are looked up by their IDNA form, as the system's resolver does: with libidn2 where that is
/// installed (glibc), and on Windows; elsewhere they are EINVAL. Of names like "127.1", which end in a
/// number, there are none, and an address with such a name has none.
///
/// Thread: one reactor's; another thread's use is caught in debug builds. Cancelling closes the sockets.
class dns_resolver final : public resolver {
  public:
    /// Throws std::system_error with errc::unavailable where bight was built without c-ares (-Dcares),
    /// std::invalid_argument for options with which nobody is asked (no attempts, no time, a server that is
    /// no address of IPv4 or IPv6), and std::bad_alloc.
    explicit dns_resolver(dns_options options);

    const dns_options& options() const noexcept { return options_; }

  protected:
    task<resolved_host> look_up(std::string host, address::family_type family) override;
    task<std::string> look_up_name(address of) override;

  private:
    dns_options options_;
    std::size_t turn_ = 0;  // of the servers
    // Shared with the look-ups: those that a forked child inherits never end.
    std::shared_ptr<detail::dns_state> state_;
    detail::thread_checker home_;
};

}  // namespace bight
