// Who is there? Tells a group its name each second, and who comes and goes.   discover NAME [GROUP
// [INTERFACE]] To see it: discover ann, and in another terminal discover bob; then Ctrl-C. Who does not see
// itself has a network without groups. GROUP is udp:239.255.76.76:7676 unless given; udp6:[ff02::4c4c]:7676
// is one of IPv6. INTERFACE is the number of a network interface (ip link); 0: the system chooses.
#include <bight/bight.hpp>
#include <bight/net/datagram_socket.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>

using namespace std::chrono_literals;

// Anybody may send to a group, and anything.
constexpr bight::duration gone_after = 3s;  // of silence
constexpr std::size_t longest_name = 32;
constexpr std::size_t most_peers = 100;  // who comes then is passed over

bool may_be_printed(std::string_view name) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return !name.empty() && name.size() <= longest_name && name.find_first_not_of(letters) == name.npos;
}

struct peer {
    std::string name;
    bight::time_point heard;
};
using neighbours = std::unordered_map<bight::address, peer>;

void tell(char what, const bight::address& from, const peer& who) {
    std::printf("%c %s at %s\n", what, who.name.c_str(), from.to_string().c_str());
}

// "+NAME", or "-NAME" of one who leaves.
void hear(neighbours& known, const bight::address& from, std::string_view datagram) {
    const bool leaves = datagram.starts_with('-');
    if ((!leaves && !datagram.starts_with('+')) || !may_be_printed(datagram.substr(1))) return;
    if (!known.contains(from)) {
        if (leaves || known.size() == most_peers) return;
        known[from].name = datagram.substr(1);
        tell('+', from, known[from]);
    }
    known[from].heard = bight::now() - (leaves ? gone_after : bight::duration::zero());
}

// Once a second: so nobody is worth more than two lines a second, whatever it sends.
void forget_the_silent(neighbours& known) {
    std::erase_if(known, [](const auto& entry) {
        const bool silent = bight::now() - entry.second.heard >= gone_after;
        if (silent) tell('-', entry.first, entry.second);
        return silent;
    });
}

// Linux has a member of a group of IPv6 hear what comes by other interfaces, too, if others here are members
// there.
bight::task<> listen(bight::datagram_socket& ears, unsigned only_by, neighbours& known) {
    std::array<char, 1 + longest_name> memory;
    for (;;) {
        const auto got = co_await ears.receive_from(memory);
        const bool is_elsewhere = only_by != 0 && got.interface_index != 0 && got.interface_index != only_by;
        if (!got.truncated && !is_elsewhere) hear(known, got.from, {memory.data(), got.size});
    }
}

bight::task<> discover(std::string name, std::string where, unsigned interface_index, neighbours& known) {
    bight::endpoint group = bight::endpoint::parse(where);
    if (group.port == 0)
        throw std::system_error(std::make_error_code(std::errc::invalid_argument), where + " has no port");
    const bight::address all = bight::address::from_ip(group.host, group.port);
    group.host.clear();
    auto ears = bight::datagram_socket::bind(group, {.share_address = true});
    ears.join({.group = all, .interface_index = interface_index});
    group.port = 0;  // of its own, which tells it from others on the same machine
    auto mouth = bight::datagram_socket::bind(group);
    mouth.set_multicast({.interface_index = interface_index});
    auto speak = [&]() -> bight::task<> {
        for (bight::interval each(1s);; forget_the_silent(known)) {
            co_await each.tick();
            const auto sent = co_await bight::as_result(mouth.send_to(all, "+", name));
            if (!sent) std::fprintf(stderr, "cannot be heard: %s\n", sent.error().message().c_str());
        }
    };
    auto leave = [&]() -> bight::task<> { (void)co_await bight::as_result(mouth.send_to(all, "-", name)); };
    co_await bight::finally(bight::when_all(listen(ears, interface_index, known), speak()), leave);
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    char* end = nullptr;
    const unsigned long index = std::strtoul(argc > 3 ? argv[3] : "0", &end, 10);
    if (argc < 2 || argc > 4 || !may_be_printed(argv[1]) || *end) {
        std::fputs("usage: discover NAME [GROUP [INTERFACE]]\n", stderr);
        return 2;
    }
    const char* const group = argc > 2 ? argv[2] : "udp:239.255.76.76:7676";
    neighbours known;
    return bight::run(discover(argv[1], group, static_cast<unsigned>(index), known));
}
