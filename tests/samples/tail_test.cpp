// tail: the last lines, what is added, and files that are cut, replaced, gone and back.
#include "server.hpp"

#include "support/connections.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace test;
namespace fs = std::filesystem;

namespace {

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
void append(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::app) << text; }

std::string lines(int from, int to) {
    std::string all;
    for (int i = from; i <= to; ++i) all += "line " + std::to_string(i) + "\n";
    return all;
}

bool waits_for_errors(process& p, const std::string& text) {
    return p.errors().find(text) != std::string::npos ||
           p.wait_for([&] { return p.errors().find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("tail: the last ten lines of each file, and what is added, under the file's name") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const temporary_directory where;
    const std::string a = where.file("a"), b = where.file("b");
    write(a, lines(1, 2000));
    write(b, "one\ntwo");  // its last line has no end
    process tail({sample("tail"), a, b}, {use_reactor(kind)});
    std::string expected = "==> " + a + " <==\n" + lines(1991, 2000) + "\n==> " + b + " <==\none\ntwo";
    CHECK(tail.wait_for_output(expected));
    append(b, ".\n");
    expected += ".\n";
    CHECK(tail.wait_for_output(expected));
    append(a, "new\n");
    expected += "\n==> " + a + " <==\nnew\n";
    CHECK(tail.wait_for_output(expected));
    append(a, "more\n");
    expected += "more\n";
    CHECK(tail.wait_for_output(expected));
    CHECK(tail.output() == expected);
    CHECK(tail.errors().empty());
    tail.signal(SIGINT);
    (void)tail.wait();
    CHECK(tail.output() == expected);
}

TEST_CASE("tail: a file that is cut, replaced, taken away and put back") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    CAPTURE(kind);
    const temporary_directory where;
    const std::string log = where.file("log");
    process tail({sample("tail"), log}, {use_reactor(kind)});
    CHECK(waits_for_errors(tail, "tail: cannot open '" + log + "' for reading: No such file or directory\n"));
    write(log, "first\n");
    CHECK(tail.wait_for_output("first\n"));
    CHECK(waits_for_errors(tail, "tail: '" + log + "' has appeared;  following new file\n"));
    // As a log is rotated: its writer goes on with the old file for a moment.
    std::ofstream writer(log, std::ios::app);
    fs::rename(log, log + ".1");
    writer << "last of the old\n" << std::flush;
    CHECK(tail.wait_for_output("last of the old\n"));
    CHECK(waits_for_errors(tail, "tail: '" + log + "' has become inaccessible: No such file or directory\n"));
    write(log, "of the new\n");
    CHECK(tail.wait_for_output("of the new\n"));
    write(log + ".new", "replaced\n");
    fs::rename(log + ".new", log);
    CHECK(tail.wait_for_output("replaced\n"));
    CHECK(waits_for_errors(tail, "tail: '" + log + "' has been replaced;  following new file\n"));
    fs::resize_file(log, 0);
    CHECK(waits_for_errors(tail, "tail: " + log + ": file truncated\n"));
    append(log, "after the cut\n");
    CHECK(tail.wait_for_output("after the cut\n"));
    CHECK(tail.output() == "first\nlast of the old\nof the new\nreplaced\nafter the cut\n");
}

TEST_CASE("tail: a directory that is not there yet is asked for from time to time") {
    const temporary_directory where;
    const std::string log = where.file("later/log");
    process tail({sample("tail"), log});
    CHECK(waits_for_errors(tail, "cannot open"));
    fs::create_directory(where.file("later"));
    write(log, "at last\n");
    CHECK(tail.wait_for_output("at last\n"));
    fs::remove_all(where.file("later"));
    CHECK(waits_for_errors(tail, "inaccessible"));
    fs::create_directory(where.file("later"));
    write(log, "and again\n");
    CHECK(tail.wait_for_output("at last\nand again\n"));
}

TEST_CASE("tail: says how it is called, and ends when nobody reads what it shows") {
    process nothing({sample("tail")});
    CHECK(nothing.wait() == exit_state{2, 0});
    CHECK(nothing.errors() == "usage: tail FILE...\n");
    const temporary_directory where;
    const std::string log = where.file("log");
    write(log, lines(1, 12));
    process tail({"sh", "-c", "\"$1\" \"$2\" | head -n 2", "sh", sample("tail"), log});
    CHECK(tail.wait_for_output("line 3\nline 4\n"));
    const auto until = steady::now() + patience;
    while (!tail.has_ended() && steady::now() < until) {
        append(log, "more\n");
        (void)tail.wait(steady::now() + std::chrono::milliseconds(20));
    }
    CHECK(tail.has_ended());
}
