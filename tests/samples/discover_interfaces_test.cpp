// The discover sample on one of two interfaces, with a cable between them.
#include "server.hpp"

#include "net/cable.hpp"
#include "support/connections.hpp"
#include "support/skip.hpp"

#include <net/if.h>
#include <unistd.h>

#include <string>

using namespace test;

namespace {

// Addresses of the link, which have another one for each interface by which they are seen.
bool lay_cable_with_links() {
    if (!lay_cable()) return false;
    const int changes = netlink_socket(0);
    const bool made = add_ipv6(changes, "one", "fe80::1") && add_ipv6(changes, "two", "fe80::2");
    ::close(changes);
    return made;
}

// What each of two, one at each end, hears until both know of each other's second line.
std::string who_is_heard() {
    const auto start = [](const char* name, const char* interface) {
        return process({sample("discover"), name, "udp6:[ff02::4c4c]:7676",
                        std::to_string(::if_nametoindex(interface))});
    };
    process ann = start("ann", "one");
    process bob = start("bob", "two");
    if (!ann.wait_for_output("+ bob at ") || !bob.wait_for_output("+ ann at ")) return "nobody";
    // It leaves with a last line, which comes after all that it has sent.
    bob.signal(SIGINT);
    if (!ann.wait_for_output("- bob at ")) return "nobody leaves";
    const std::string heard = ann.output();
    const std::string as_it_is = "+ bob at [fe80::2%" + std::to_string(::if_nametoindex("one"));
    const auto at = heard.find("+ bob");
    const bool once =
        heard.compare(at, as_it_is.size(), as_it_is) == 0 && heard.find("+ bob", at + 1) == heard.npos;
    return once ? "once" : heard;
}

}  // namespace

TEST_CASE("discover: who names an interface hears of each that is there, and by that one alone") {
    if (const auto& why = no_ipv6()) skip(*why);
    const auto said = in_own_network([] { return lay_cable_with_links(); }, [] { return who_is_heard(); });
    if (!said) skip("a network namespace, and interfaces in it, are not allowed here");
    CHECK(*said == "once");
}
