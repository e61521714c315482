// The samples with child processes: wc, and gpg, with the real one and with a shell script in its place.
#include "server.hpp"

#include "support/connections.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <string>

using namespace test;

namespace {

void write_file(const std::string& path, const std::string& text, mode_t mode = 0600) {
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
}

int run_quietly(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()); }

}  // namespace

TEST_CASE("wc: ten verses into wc, and what it says of them") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    process wc({sample("wc")}, {use_reactor(kind)});
    CHECK(wc.wait() == exit_state{0, 0});
    CHECK(wc.output() ==
          "connectionMade!\n"
          "inConnectionLost! stdin is closed! (we probably did it)\n"
          "outReceived! with 24 bytes!\n"
          "outConnectionLost! The child closed their stdout!\n"
          "I saw 40 lines\n"
          "errConnectionLost! The child closed their stderr.\n"
          "processExited, status 0\n"
          "processEnded, status 0\n"
          "quitting\n");
}

TEST_CASE("gpg: the passphrase on 3, the message on 0, the progress on 4, the plain text on 1") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const temporary_directory where;
    write_file(where.file("gpg"),
               "#!/bin/sh\n"
               "echo \"$*\" >&2\n"
               "read phrase <&3\n"
               "[ \"$phrase\" = 'open sesame' ] || { echo '[GNUPG:] BAD_PASSPHRASE' >&4; exit 2; }\n"
               "echo '[GNUPG:] DECRYPTION_OKAY' >&4\n"
               "tr a-z A-Z\n",
               0700);
    write_file(where.file("message"), "it is a secret\n");
    write_file(where.file("right"), "open sesame\n");
    write_file(where.file("wrong"), "open barley\n");
    const char* const path = std::getenv("PATH");
    const std::string found_first = "PATH=" + where.file("") + ":" + (path ? path : "/usr/bin:/bin");

    process right({sample("gpg"), where.file("message"), where.file("right")},
                  {use_reactor(kind), found_first});
    CHECK(right.wait() == exit_state{0, 0});
    CHECK(right.output() == "IT IS A SECRET\n");
    CHECK(right.errors() ==
          "--decrypt --passphrase-fd 3 --status-fd 4 --batch --pinentry-mode loopback\n"
          "[GNUPG:] DECRYPTION_OKAY\n");

    process wrong({sample("gpg"), where.file("message"), where.file("wrong")},
                  {use_reactor(kind), found_first});
    CHECK(wrong.wait() == exit_state{1, 0});
    CHECK(wrong.output().empty());
    CHECK_THAT(wrong.errors(),
               Catch::Contains("[GNUPG:] BAD_PASSPHRASE\n") && Catch::Contains("gpg: exit status 2"));
}

TEST_CASE("gpg: the real one decrypts what it has encrypted, and refuses another passphrase") {
    if (run_quietly("gpg --version") != 0) skip("there is no gpg");
    const temporary_directory where;
    const std::string home = where.file("");
    ::chmod(home.c_str(), 0700);
    write_file(where.file("plain"), "Attack at dawn.\n");
    write_file(where.file("right"), "open sesame\n");
    write_file(where.file("wrong"), "open barley\n");
    REQUIRE(run_quietly("cd " + home + " && GNUPGHOME=" + home +
                        " gpg --batch --pinentry-mode loopback --passphrase-file right --symmetric "
                        "--output message plain") == 0);
    for (const auto kind : demultiplexers()) {
        CAPTURE(kind);
        process right({sample("gpg"), where.file("message"), where.file("right")},
                      {use_reactor(kind), "GNUPGHOME=" + home});
        CHECK(right.wait() == exit_state{0, 0});
        CHECK(right.output() == "Attack at dawn.\n");
        CHECK_THAT(right.errors(), Catch::Contains("[GNUPG:] DECRYPTION_OKAY"));
    }
    run_quietly("GNUPGHOME=" + home + " gpgconf --kill gpg-agent");  // it may remember the passphrase
    process wrong({sample("gpg"), where.file("message"), where.file("wrong")}, {"GNUPGHOME=" + home});
    CHECK(wrong.wait() == exit_state{1, 0});
    CHECK(wrong.output().empty());
    CHECK_THAT(wrong.errors(), Catch::Contains("gpg: exit status 2"));
    run_quietly("GNUPGHOME=" + home + " gpgconf --kill gpg-agent");
}
