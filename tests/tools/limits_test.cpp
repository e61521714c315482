// What `bight doctor` says of limits, of the network and of names.
#include "fake_machine.hpp"

#include <cerrno>
#include <map>
#include <string>

using Catch::Contains;
using Catch::Matchers::StartsWith;
using doctor::resource;
using doctor::unlimited;
using test::fake_machine;
using test::say;

TEST_CASE("few descriptors are a note, and a problem where they are too few for the connections") {
    fake_machine m;
    m.limits[resource::open_files] = {1024, 524288};
    CHECK_THAT(say(m, "limits", "open_files"),
               StartsWith("note: ") && Contains("974 connections") && Contains("-> ulimit -n 524288"));
    CHECK_THAT(say(m, "limits", "open_files", {900}), StartsWith("fine: RLIMIT_NOFILE is 1024"));
    CHECK_THAT(say(m, "limits", "open_files", {5000}),
               StartsWith("problem: ") && Contains("5000 connections") && Contains("-> ulimit -n 5050"));
    m.limits[resource::open_files] = {1024, unlimited};
    CHECK_THAT(say(m, "limits", "open_files"),
               Contains("hard limit unlimited") && Contains("ulimit -n 1048576"));
    m.limits[resource::open_files] = {unlimited, unlimited};
    CHECK_THAT(say(m, "limits", "open_files", {1'000'000}), StartsWith("fine: "));
}

TEST_CASE("a hard limit of descriptors that is too low is for root to raise") {
    fake_machine m;
    m.limits[resource::open_files] = {16, 64};
    CHECK_THAT(say(m, "limits", "open_files", {100}), StartsWith("problem: ") && Contains("as root") &&
                                                          Contains("LimitNOFILE=150") &&
                                                          !Contains("ulimit -n "));
    CHECK_THAT(say(m, "limits", "open_files"), Contains(" 0 connections") && Contains("LimitNOFILE=4096"));
}

TEST_CASE("locked memory is for a reactor on each processor") {
    fake_machine m;
    m.cores = 8;
    m.limits[resource::locked_memory] = {512 << 10, 512 << 10};
    CHECK_THAT(say(m, "limits", "locked_memory"), StartsWith("note: ") &&
                                                      Contains("enough for 4 io_uring reactors") &&
                                                      Contains("the 8 processors"));
    m.root = true;
    CHECK_THAT(say(m, "limits", "locked_memory"), StartsWith("fine: ") && Contains("does not bind root"));
    m.limits[resource::locked_memory] = {unlimited, unlimited};
    CHECK(say(m, "limits", "locked_memory") == "fine: RLIMIT_MEMLOCK is unlimited");
}

TEST_CASE("the least of what limits threads is found, wherever it is") {
    CHECK(say(fake_machine(), "limits", "threads") == "fine: at most 10000 threads (RLIMIT_NPROC)");
    const std::map<std::string, std::string> places[] = {
        // cgroup v2, an outer group
        {{"/sys/fs/cgroup/system.slice/pids.max", "60\n"},
         {"/sys/fs/cgroup/system.slice/chat.service/pids.max", "max\n"}},
        // cgroup v2, in a container, where the path is the host's
        {{"/sys/fs/cgroup/pids.max", "60\n"}},
        // cgroup v1
        {{"/proc/self/cgroup", "9:cpu:/\n8:pids:/docker/1234\n0::/\n"},
         {"/sys/fs/cgroup/pids/docker/1234/pids.max", "60\n"}},
    };
    for (const auto& files : places) {
        CAPTURE(files);
        fake_machine m;
        for (const auto& [path, text] : files) m.files[path] = text;
        CHECK_THAT(say(m, "limits", "threads"),
                   StartsWith("note: at most 60 threads (pids.max of the cgroup)") &&
                       Contains("may want 76") && Contains("--pids-limit"));
    }
}

TEST_CASE("so few threads that no runtime starts are a problem; RLIMIT_NPROC does not bind root") {
    fake_machine m;
    m.limits[resource::processes] = {5, 5};
    CHECK_THAT(say(m, "limits", "threads"), StartsWith("problem: at most 5 threads (RLIMIT_NPROC)"));
    m.root = true;
    CHECK(say(m, "limits", "threads") == "fine: at most 100000 threads (kernel.threads-max)");
    m.files.clear();
    CHECK(say(m, "limits", "threads") == "fine: no limit");
}

TEST_CASE("no IPv6 is a note, and the advice is that for its cause; no IPv4 is a problem") {
    fake_machine m;
    m.bind_errors["::1"] = EADDRNOTAVAIL;
    CHECK_THAT(say(m, "network", "ipv6"),
               StartsWith("note: ") && Contains("sysctl -w net.ipv6.conf.all.disable_ipv6=0"));
    m.bind_errors["::1"] = EAFNOSUPPORT;
    CHECK_THAT(say(m, "network", "ipv6"), StartsWith("note: ") && Contains("ipv6.disable=1"));
    m.bind_errors["::1"] = EPERM;
    CHECK_THAT(say(m, "network", "ipv6"), StartsWith("note: ") && Contains("not permitted"));
    CHECK(say(m, "network", "ipv4") == "fine: 127.0.0.1 can be bound, and connected to");
    m.bind_errors["127.0.0.1"] = EADDRNOTAVAIL;
    CHECK_THAT(say(m, "network", "ipv4"), StartsWith("problem: ") && Contains("-> ip link set lo up"));
}

TEST_CASE("a short backlog and few local ports are notes, and so is a /proc that cannot be read") {
    fake_machine m;
    m.files["/proc/sys/net/core/somaxconn"] = "128\n";
    m.files["/proc/sys/net/ipv4/ip_local_port_range"] = "32768\t33767\n";
    CHECK_THAT(say(m, "network", "backlog"),
               StartsWith("note: net.core.somaxconn is 128") && Contains("somaxconn=4096"));
    CHECK_THAT(say(m, "network", "local_ports"),
               StartsWith("note: 32768 to 33767") && Contains("at most 1000"));
    CHECK_THAT(say(m, "network", "local_ports", {1000}), StartsWith("fine: "));
    CHECK_THAT(say(m, "network", "local_ports", {1001}), StartsWith("note: "));
    for (const char* const unreadable : {"", "9 1", "x"}) {
        m.files["/proc/sys/net/ipv4/ip_local_port_range"] = unreadable;
        CHECK_THAT(say(m, "network", "local_ports"), StartsWith("note: ") && Contains("cannot be read"));
    }
    m.files.erase("/proc/sys/net/core/somaxconn");
    CHECK_THAT(say(m, "network", "backlog"), StartsWith("note: /proc/sys/net/core/somaxconn cannot be read"));
}

TEST_CASE("how names are looked up is said, and what is missing for it") {
    fake_machine m;
    CHECK(say(m, "names", "sources") == "fine: files dns");
    CHECK(say(m, "names", "servers") == "fine: 192.0.2.1, 192.0.2.2");
    m.files["/etc/nsswitch.conf"] = "# hosts: files\nhosts: dns # files\n";
    CHECK_THAT(say(m, "names", "sources"), StartsWith("note: dns: /etc/hosts is not read"));
    m.files["/etc/nsswitch.conf"] = "passwd: files\n";
    CHECK_THAT(say(m, "names", "sources"), StartsWith("fine: ") && Contains("no line for hosts"));
    m.files.erase("/etc/nsswitch.conf");
    CHECK_THAT(say(m, "names", "sources"), StartsWith("fine: there is no /etc/nsswitch.conf"));
    m.files["/etc/resolv.conf"] = "#nameserver 192.0.2.1\n";
    CHECK_THAT(say(m, "names", "servers"), StartsWith("note: /etc/resolv.conf names no server"));
}

TEST_CASE("localhost is both addresses, where there is IPv6") {
    fake_machine m;
    CHECK(say(m, "names", "localhost") == "fine: 127.0.0.1, ::1");
    m.localhost = {{"127.0.0.1"}, {}};
    CHECK_THAT(say(m, "names", "localhost"),
               StartsWith("note: 127.0.0.1, not ::1") && Contains("/etc/hosts"));
    m.bind_errors["::1"] = EADDRNOTAVAIL;
    CHECK(say(m, "names", "localhost") == "fine: 127.0.0.1");
    m.localhost = {{}, "Name or service not known"};
    CHECK_THAT(say(m, "names", "localhost"), StartsWith("note: ") && Contains("Name or service not known"));
}
