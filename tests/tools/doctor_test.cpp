// What `bight doctor` says of machines that lack something.
#include "fake_machine.hpp"

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

using Catch::Contains;
using Catch::Matchers::StartsWith;
using test::fake_machine;
using test::say;

TEST_CASE("on a machine that lacks nothing all is fine") {
    const fake_machine m;
    const auto all = doctor::examine(m);
    for (const auto& f : all) {
        CAPTURE(f.group, f.name, f.found);
        CHECK(f.state == doctor::state::fine);
        CHECK(f.advice.empty());
        CHECK_FALSE(f.found.empty());
    }
    CHECK(doctor::worst(all) == doctor::state::fine);
    CHECK(say(m, "demultiplexers", "reactor") == "fine: takes io_uring");
}

TEST_CASE("a refused io_uring is a note, and its advice is that for its cause") {
    struct refusal {
        int error;
        const char* kernel;
        bool filtered;
        bool root;
        const char* disabled;  // kernel.io_uring_disabled
        const char* cause;
        const char* advice;
    };
    const refusal all[] = {
        {EPERM, "6.18.1", true, false, "0", "here it is the filter", "seccomp=FILE"},
        {EACCES, "6.18.1", true, true, "0", "here it is the filter", "seccomp=FILE"},
        {ENOSYS, "6.18.1", true, false, "0", "here it is the filter", "seccomp=FILE"},
        {ENOSYS, "6.18.1", false, false, "0", "here it is the kernel", "CONFIG_IO_URING=y"},
        {ENOSYS, "4.19.0-26-amd64", true, false, "", "", "Linux 6.1 or later; this is 4.19.0-26-amd64"},
        {EINVAL, "5.15.0", false, false, "", "", "Linux 6.1 or later; this is 5.15.0"},
        {EPERM, "6.18.1", true, false, "2", "", "kernel.io_uring_disabled=0"},
        {EPERM, "6.18.1", true, true, "2", "", "kernel.io_uring_disabled=0"},
        {EPERM, "6.18.1", false, false, "1", "", "kernel.io_uring_group"},
        {EPERM, "6.18.1", true, true, "1", "here it is the filter", "seccomp=FILE"},  // 1 does not bind root
        {EPERM, "6.18.1", false, false, "0", "it is a security module", "SELinux"},
        {ENOMEM, "6.18.1", false, false, "0", "", "ulimit -l"},
        {0, "6.18.1", false, false, "0", "", "-Dio_uring=enabled"},  // not built in
    };
    for (const refusal& r : all) {
        CAPTURE(r.error, r.kernel, r.filtered, r.root, r.disabled);
        fake_machine m;
        m.refuse_io_uring(r.error);
        m.release = r.kernel;
        if (r.filtered) m.filter();
        m.root = r.root;
        m.files["/proc/sys/kernel/io_uring_disabled"] = r.disabled;
        const std::string said = say(m, "demultiplexers", "io_uring");
        CHECK_THAT(said, StartsWith("note: io_uring_setup: refused") && Contains(r.cause) &&
                             Contains(" -> ") && Contains(r.advice));
        if (*r.cause == '\0') CHECK_THAT(said, !Contains("here"));
        CHECK(say(m, "demultiplexers", "reactor") == "fine: takes epoll");
        CHECK(doctor::worst(doctor::examine(m)) == doctor::state::note);
    }
}

TEST_CASE("where descriptors have run out, the advice is not to change a filter") {
    const int error = GENERATE(EMFILE, ENFILE);
    fake_machine m;
    for (auto& d : m.report.demultiplexers) {
        d.refusal = "Too many open files";
        d.error = {error, std::system_category()};
    }
    for (const auto& d : m.report.demultiplexers) {
        CHECK(say(m, "demultiplexers", d.name) == "note: Too many open files -> see open_files below");
    }
}

TEST_CASE("what BIGHT_REACTOR asks for is looked at") {
    fake_machine m;
    const auto said = [&m](const char* value) {
        m.variables["BIGHT_REACTOR"] = value;
        return say(m, "demultiplexers", "reactor");
    };
    CHECK(said("") == "fine: takes io_uring");
    CHECK_THAT(said("io_uring"), StartsWith("fine: takes io_uring, because BIGHT_REACTOR says so"));
    CHECK_THAT(said("poll"), StartsWith("note: takes poll") && Contains("would take io_uring"));
    CHECK_THAT(said("kqueue"), StartsWith("problem: ") && Contains("\"kqueue\"") &&
                                   Contains("no demultiplexer") &&
                                   Contains("these work: io_uring, epoll, poll, select"));
    CHECK_THAT(said("sim:7"), StartsWith("note: ") && Contains("sim:7") && Contains(" -> unset"));
    m.refuse_io_uring(EPERM);
    CHECK_THAT(said("io_uring"), StartsWith("problem: ") &&
                                     Contains("does not work here; these work: epoll") &&
                                     Contains("BIGHT_REACTOR=epoll"));
}

TEST_CASE("a demultiplexer on which nothing gets through is a problem, and so is to have none") {
    fake_machine m;
    m.speechless = bight::demultiplexer_kind::io_uring;
    m.speechless_by = {{}, "no bytes came"};
    CHECK(say(m, "demultiplexers", "epoll") == "fine: works");
    CHECK_THAT(say(m, "demultiplexers", "io_uring"),
               StartsWith("problem: ") && Contains("no bytes came") && Contains("BIGHT_REACTOR"));
    fake_machine none;
    for (auto& d : none.report.demultiplexers) d.refusal = "refused";
    CHECK_THAT(say(none, "demultiplexers", "reactor"), StartsWith("problem: there is no demultiplexer"));
}

TEST_CASE("a demultiplexer is not blamed for the network, for descriptors or for threads") {
    fake_machine down;
    down.speechless_by = {{ENETUNREACH, std::system_category()}, "connect: Network is unreachable"};
    down.connect_errors["127.0.0.1"] = ENETUNREACH;
    fake_machine full;
    full.speechless_by = {{EMFILE, std::system_category()}, "accept: Too many open files"};
    full.connect_errors["127.0.0.1"] = EMFILE;
    fake_machine crowded;
    crowded.speechless_by = {{EAGAIN, std::system_category()}, "no thread: Resource temporarily unavailable"};
    for (const auto& d : down.report.demultiplexers) {
        CHECK_THAT(say(down, "demultiplexers", d.name),
                   StartsWith("note: a reactor can be made") && Contains(" -> see ipv4 below"));
        CHECK_THAT(say(full, "demultiplexers", d.name),
                   StartsWith("problem: ") && Contains("Too many open files -> see open_files below"));
        CHECK_THAT(say(crowded, "demultiplexers", d.name),
                   StartsWith("problem: ") && Contains("unavailable -> see threads below"));
    }
    CHECK(say(down, "network", "ipv4") ==
          "problem: 127.0.0.1 cannot be connected to: Network is unreachable -> ip link set lo up, as root");
    CHECK_THAT(say(full, "network", "ipv4"), StartsWith("problem: ") && Contains(" -> see open_files above"));
    fake_machine filtered;
    filtered.connect_errors["127.0.0.1"] = ETIMEDOUT;
    CHECK_THAT(say(filtered, "network", "ipv4"), StartsWith("problem: ") && Contains(" -> a packet filter"));
}

TEST_CASE("a variable that keeps programs from making a reactor is a problem, and named") {
    fake_machine m;
    m.refused = {{}, "BIGHT_STALL_LIMIT is \"abc\", which is no time"};
    for (const char* chosen : {"", "epoll"}) {
        m.variables["BIGHT_REACTOR"] = chosen;
        CHECK(say(m, "demultiplexers", "reactor") ==
              "problem: no reactor is made: BIGHT_STALL_LIMIT is \"abc\", which is no time -> unset "
              "BIGHT_STALL_LIMIT, or BIGHT_STALL_LIMIT=100ms");
    }
    m.refused = {{EMFILE, std::system_category()}, "Too many open files"};
    CHECK(say(m, "demultiplexers", "reactor") ==
          "problem: no reactor is made: Too many open files -> see open_files below");
}

TEST_CASE("select is too small for a thousand connections") {
    fake_machine m;
    m.variables["BIGHT_REACTOR"] = "select";
    CHECK_THAT(say(m, "demultiplexers", "reactor", {900}), StartsWith("note: takes select"));
    CHECK_THAT(say(m, "demultiplexers", "reactor", {1024}),
               StartsWith("problem: ") && Contains("1024 connections"));
}

TEST_CASE("what the kernel lacks is told from what a filter refuses") {
    fake_machine m;
    m.release = "6.1.0-18-amd64";
    for (auto& f : m.report.features) f.works = false;
    CHECK_THAT(say(m, "kernel", "multishot_limit"),
               StartsWith("note: missing: it is slow") && Contains("Linux 6.17"));
    CHECK(say(m, "kernel", "filter") == "fine: there is none");
    m.filter();
    CHECK_THAT(say(m, "kernel", "multishot_limit"), Contains("Linux 6.17"));
    CHECK_THAT(say(m, "kernel", "accept4"), StartsWith("note: ") && Contains("seccomp profile"));
    m.refuse_io_uring(EPERM);
    CHECK_THAT(say(m, "kernel", "filter"), StartsWith("note: ") && Contains("refuses io_uring, accept4 ->"));
    CHECK(say(m, "kernel", "version") == "fine: Linux 6.1.0-18-amd64");
    m.release = "5.10.0";
    CHECK_THAT(say(m, "kernel", "version"), StartsWith("note: ") && Contains("-> Linux 6.1"));
}

TEST_CASE("a filter that refuses nothing is fine, and is not blamed for the system's setting") {
    fake_machine m;
    m.filter();
    CHECK_THAT(say(m, "kernel", "filter"), StartsWith("fine: ") && Contains("refuses nothing"));
    m.refuse_io_uring(EPERM);
    m.files["/proc/sys/kernel/io_uring_disabled"] = "2\n";
    CHECK_THAT(say(m, "kernel", "filter"), StartsWith("fine: "));
}

TEST_CASE("versions are compared number by number") {
    CHECK(doctor::at_least("6.1.0-18-amd64", "6.1"));
    CHECK(doctor::at_least("6.10", "6.9"));
    CHECK(doctor::at_least("7.0", "6.17"));
    CHECK_FALSE(doctor::at_least("6.1", "6.17"));
    CHECK_FALSE(doctor::at_least("5.19.9", "6.1"));
    CHECK(doctor::at_least("6.1", "6.1"));
    CHECK_FALSE(doctor::at_least("unknown", "2.6.28"));
}

TEST_CASE("a report fits into 80 columns, and has all that was found and advised") {
    fake_machine m;
    m.refuse_io_uring(EPERM);
    m.filter();
    m.bind_errors["::1"] = EADDRNOTAVAIL;
    m.limits[doctor::resource::open_files] = {64, 64};
    const auto all = doctor::examine(m, {1000});
    const std::string text = doctor::to_text(m, all);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
        CAPTURE(text.substr(begin, end - begin));
        CHECK(end - begin <= 80);
    }
    CHECK(begin == text.size());
    CHECK_THAT(text, Contains("\n  problem  open_files      RLIMIT_NOFILE is 64") &&
                         Contains("\n1 problem, 3 notes.\n"));
    CHECK_THAT(doctor::to_text(fake_machine(), {}), Contains("\nAll is fine.\n"));
}

TEST_CASE("JSON is escaped") {
    const doctor::findings all{{"g", "n", doctor::state::note, "a \"b\"\\\n\x01", "\xc3\xa9"}};
    const std::string json = doctor::to_json(fake_machine(), all);
    CHECK_THAT(json,
               Contains(R"("found": "a \"b\"\\\u000a\u0001")") && Contains(R"("advice": "\u00c3\u00a9")"));
    CHECK_THAT(json, Contains(R"("state": "note", "findings": [)"));
}
