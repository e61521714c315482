// Without c-ares there are no DNS messages, and no dns_resolver that would ask for them.
#include "dns_message.hpp"

#include <bight/core/error.hpp>

#include <system_error>

namespace bight::detail {

void need_dns_messages() {
    throw std::system_error(errc::unavailable,
                            "dns_resolver: bight was built without c-ares (-Dcares=enabled)");
}

std::string make_dns_query(const std::string&, dns_type, std::uint16_t, bool) { return {}; }
dns_answer read_dns_answer(std::string_view, dns_type, const address&) { return {}; }

}  // namespace bight::detail
