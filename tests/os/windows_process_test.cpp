// Starting a program on Windows: its words, its environment, what it is given; and what Windows has not.
#include "windows_children.hpp"

#include "support/connections.hpp"

#include "os/windows_words.hpp"

#include <bight/os/run_process.hpp>

#include <shellapi.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace test;
using bight::command;
using bight::process;
using bight::process_status;

namespace {

const std::vector<std::string> odd_words{
    "a b",       "",
    "*",         "'\"\\",
    "a\\",       "a\\\\",
    "\\\"b",     "\\\\server\\a b\\",
    "tab\t",     "-x=y",
    "%PATH%",    "!x!",
    "^&|<>()",   "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80",
    "\"",        "\\",
    "line\nend", "a\"b c\"d\\\\\"",
    ";,",        "?",
};

std::string in_brackets(const std::vector<std::string>& words) {
    std::string all;
    for (const std::string& w : words) all += "<" + w + ">";
    return all;
}

/// A batch file that says what it gets.
std::string batch_file(const temporary_directory& in, const std::string& name) {
    const std::string path = in.file(name);
    std::ofstream(path) << "@echo off\r\necho [%1] [%2]\r\nexit /b 5\r\n";
    return path;
}

}  // namespace

TEST_CASE("arguments arrive as they are, whatever is in them, and the exit status is known") {
    with_children([]() -> bight::task<> {
        command c = child_program("arguments");
        c.arguments(odd_words).pipe_from(1);
        process child = process::spawn(c);
        CHECK(child);
        CHECK(child.id() > 0);
        const std::string said = co_await all_of(child.standard_output());
        CHECK(said == in_brackets(odd_words));
        const process_status how = co_await child.wait();
        CHECK(how == process_status::exited(7));
        CHECK(how.to_string() == "exit status 7");
        CHECK(child.status() == how);
        const process_status again = co_await child.wait();
        CHECK(again == how);
        const std::string name = co_await output_of(child_program("name").name("another one"));
        CHECK(name == "another one");
    });
}

TEST_CASE("a command line is read back by CommandLineToArgvW, word for word") {
    std::wstring line = L"x";
    std::vector<std::wstring> wide;
    for (const std::string& w : odd_words) {
        wide.push_back(bight::detail::wide_text_of(command("x"), w, "a word"));
        bight::detail::append_argument(line, wide.back());
    }
    // All short words of what matters.
    const std::wstring letters = L"a \\\"\t";
    for (std::size_t i = 0; i < 5 * 5 * 5 * 5 * 5; ++i) {
        std::wstring word;
        for (std::size_t rest = i, n = 0; n < 5; ++n, rest /= 5) word += letters[rest % 5];
        wide.push_back(word);
        bight::detail::append_argument(line, word);
    }
    int count = 0;
    wchar_t** const read = ::CommandLineToArgvW(line.c_str(), &count);
    REQUIRE(static_cast<std::size_t>(count) == wide.size() + 1);
    std::size_t different = 0;
    for (std::size_t i = 0; i < wide.size(); ++i) different += read[i + 1] != wide[i] ? 1 : 0;
    ::LocalFree(read);
    CHECK(different == 0);
}

TEST_CASE("exit codes have 32 bits, and those of what the system ends are told by name") {
    with_children([]() -> bight::task<> {
        process large = process::spawn(child_program("exit", "305419896"));
        const process_status first = co_await large.wait();
        CHECK(first.code() == 305419896);
        process crashed = process::spawn(child_program("exit", "0xc0000005"));
        const process_status second = co_await crashed.wait();
        CHECK(second.code() == static_cast<int>(0xc0000005));
        CHECK_FALSE(second.signal());
        CHECK_FALSE(second.success());
        CHECK(second.to_string() == "exit status 0xc0000005 (STATUS_ACCESS_VIOLATION)");
        CHECK((second.usage().peak_memory > 0 || under_wine()));  // which asks the process, while it is there
    });
    CHECK(process_status::exited(-1).to_string() == "exit status 0xffffffff");
    CHECK(process_status::killed(9).to_string() == "signal 9 (SIGKILL)");
}

TEST_CASE("the environment of Windows is inherited, changed whatever the case of a name, or empty") {
    const environment_variable inherited("BIGHT_TEST_INHERITED", "yes");
    with_children([]() -> bight::task<> {
        const command list = child_program("environment");
        const std::string all = co_await output_of(list);
        CHECK_THAT(all, Catch::Contains("BIGHT_TEST_INHERITED=yes\n"));
        command changed = list;
        changed.environment("bight_test_inherited", "no").environment("BIGHT_TEST_NEW", "a=b \xc3\xbc");
        const std::string with_changes = co_await output_of(changed);
        CHECK_THAT(with_changes, Catch::Contains("bight_test_inherited=no\n") &&
                                     Catch::Contains("BIGHT_TEST_NEW=a=b \xc3\xbc\n") &&
                                     !Catch::Contains("INHERITED=yes"));
        changed.without_environment("Bight_Test_Inherited");
        const std::string without = co_await output_of(changed);
        CHECK_THAT(without, !Catch::Contains("NHERITED=", Catch::CaseSensitive::No));
        // Hardly a program starts without it.
        command empty = list;
        empty.environment("LOST", "1").empty_environment();
        const std::string nothing = co_await output_of(empty);
        CHECK_THAT(nothing, Catch::Contains("SystemRoot=", Catch::CaseSensitive::No) &&
                                !Catch::Contains("LOST") && !Catch::Contains("BIGHT_TEST"));
        empty.environment("only", "1");
        const std::string two = co_await output_of(empty);
        CHECK_THAT(two, Catch::Contains("only=1\n"));
    });
    // In order, whatever the case; what is said last of a name holds.
    command c("x");
    c.empty_environment()
        .environment("b", "2")
        .environment("SYSTEMROOT", "C:\\another")
        .environment("A", "1");
    c.environment("B", "3");
    using namespace std::string_literals;
    CHECK(bight::detail::environment_block_of(c) == L"A=1\0B=3\0SYSTEMROOT=C:\\another\0\0"s);
    c.empty_environment().without_environment("systemroot");
    CHECK(bight::detail::environment_block_of(c) == L"\0\0"s);
}

TEST_CASE("the directory of a child, and a relative program that begins there") {
    const temporary_directory where;
    std::filesystem::copy_file(child_path(), where.file("here.exe"));
    with_children([&]() -> bight::task<> {
        command c = child_program("directory");
        c.directory(std::filesystem::path(where.file("x")).parent_path().string());
        const std::filesystem::path said = co_await output_of(c);
        CHECK(said.filename() == std::filesystem::path(where.file("x")).parent_path().filename());
        command relative("./here", "say", "found");
        relative.directory(where.file(""));
        const std::string found = co_await output_of(relative);
        CHECK(found == "found");
    });
}

TEST_CASE(
    "a program without a directory is looked for in PATH, with the extensions of PATHEXT, and nowhere else") {
    const temporary_directory where;
    std::filesystem::copy_file(child_path(), where.file("bight_found.exe"));
    std::filesystem::copy_file(child_path(), where.file("bight.dotted.exe"));
    std::filesystem::create_directory(where.file("bight_directory.exe"));
    const char* const path = std::getenv("PATH");
    const environment_variable set("PATH", "\"" + where.file("") + "\";;" + (path ? path : ""));
    with_children([&]() -> bight::task<> {
        for (const char* const name : {"bight_found", "BIGHT_FOUND.EXE", "bight.dotted"}) {
            const std::string said = co_await output_of(command(name, "say", name).empty_environment());
            CHECK(said == name);
        }
        const auto nowhere = error_of_spawn(command("bight_no_such"));
        CHECK(nowhere.code == std::errc::no_such_file_or_directory);
        CHECK_THAT(nowhere.text, Catch::Contains("run bight_no_such (looked for in PATH as bight_no_such.") &&
                                     Catch::Contains(".exe", Catch::CaseSensitive::No));
        CHECK(error_of_spawn(command("bight_directory")).code == std::errc::permission_denied);
        // Where this process is, and where its program is, are no such places.
        CHECK(error_of_spawn(command("windows_child")).code == std::errc::no_such_file_or_directory);
    });
}

TEST_CASE("a program that cannot be run on Windows is an error of spawn, with its number and its path") {
    const temporary_directory where;
    std::ofstream(where.file("text.exe")) << "no program\n";
    std::ofstream(where.file("text.txt")) << "no program\n";
    with_children([&]() -> bight::task<> {
        const auto missing = error_of_spawn(command("Z:\\no\\such\\program", "x"));
        CHECK(missing.code == std::errc::no_such_file_or_directory);
        CHECK_THAT(missing.text,
                   Catch::Contains("no\\such\\program") && Catch::Contains(".exe", Catch::CaseSensitive::No));
        CHECK(error_of_spawn(command(where.file("text.exe"))).code == std::errc::executable_format_error);
        CHECK(error_of_spawn(command(where.file("text.txt"))).code == std::errc::executable_format_error);
        CHECK(error_of_spawn(command(where.file(""))).code == std::errc::permission_denied);
        CHECK(error_of_spawn(command("")).code == std::errc::no_such_file_or_directory);
        CHECK(error_of_spawn(child_program("arguments", std::string(40'000, 'a'))).code == from_errno(E2BIG));
        command lost = child_program("exit", "0");
        lost.directory(where.file("none"));
        const auto no_directory = error_of_spawn(lost);
        CHECK(no_directory.code == std::errc::no_such_file_or_directory);
        CHECK_THAT(no_directory.text, Catch::Contains("the directory of") && Catch::Contains("/none"));
        lost.directory(where.file("text.txt"));
        CHECK(error_of_spawn(lost).code == std::errc::not_a_directory);
        co_return;
    });
}

TEST_CASE("texts that cannot be passed on to a program of Windows are errors of spawn") {
    with_children([]() -> bight::task<> {
        const std::string zero("a\0b", 3);
        CHECK(error_of_spawn(command(zero)).code == from_errno(EINVAL));
        CHECK(error_of_spawn(child_program("exit", zero)).code == from_errno(EINVAL));
        const auto no_utf8 = error_of_spawn(child_program("arguments", "\xff"));
        CHECK(no_utf8.code == from_errno(EILSEQ));
        CHECK_THAT(no_utf8.text, Catch::Contains("an argument is no UTF-8"));
        CHECK(error_of_spawn(child_program("exit", "0").name("a\"b")).code == from_errno(EINVAL));
        CHECK(error_of_spawn(child_program("exit", "0").environment("a=b", "c")).code == from_errno(EINVAL));
        CHECK(error_of_spawn(child_program("exit", "0").environment("", "c")).code == from_errno(EINVAL));
        CHECK(error_of_spawn(child_program("exit", "0").environment("a", zero)).code == from_errno(EINVAL));
        CHECK(error_of_spawn(child_program("exit", "0").directory(zero)).code == from_errno(EINVAL));
        CHECK(error_of_spawn(child_program("exit", "0").null(-2)).code == from_errno(EBADF));
        co_return;
    });
}

TEST_CASE("what Windows has not is refused, and said") {
    with_children([]() -> bight::task<> {
        const auto number = error_of_spawn(child_program("exit", "0").pipe_to(3));
        CHECK(number.code == bight::errc::unavailable);
        CHECK_THAT(number.text,
                   Catch::Contains("descriptor 3 of") && Catch::Contains("0, 1 and 2, and no other"));
        const auto user = error_of_spawn(child_program("exit", "0").user(1));
        CHECK(user.code == bight::errc::unavailable);
        CHECK_THAT(user.text, Catch::Contains("another user"));
        CHECK(error_of_spawn(child_program("exit", "0").group(1)).code == bight::errc::unavailable);
        CHECK(error_of_spawn(child_program("exit", "0").groups({})).code == bight::errc::unavailable);
        const auto terminal = error_of_spawn(child_program("exit", "0").terminal());
        CHECK(terminal.code == bight::errc::unavailable);
        CHECK_THAT(terminal.text, Catch::Contains("no pseudo-terminals"));
        // What a child has not got anyway may be said.
        process child = process::spawn(child_program("exit", "0").close(7));
        const process_status how = co_await child.wait();
        CHECK(how.success());
        CHECK_THROWS_AS(child.terminal(), std::system_error);
        CHECK_THROWS_AS(child.resize_terminal({}), std::system_error);
        CHECK_THROWS_AS(child.pipe(0), std::system_error);
    });
}

TEST_CASE("a batch file gets its arguments as they are, or is refused: nothing in them is a command") {
    const temporary_directory where;
    const std::string plain = batch_file(where, "say.bat");
    const std::string spaced = batch_file(where, "say it.cmd");
    with_children([&]() -> bight::task<> {
        for (const std::string& file : {plain, spaced}) {
            const auto ran = co_await bight::run_process(command(file, "a b", "c&echo d|^<>()!x!"));
            CHECK(ran.output == "[\"a b\"] [\"c&echo d|^<>()!x!\"]\r\n");
            CHECK(ran.status.code() == 5);
        }
        const auto found = co_await bight::run_process(command(where.file("say"), "x", ""));
        CHECK(found.output == "[x] [\"\"]\r\n");
        // Windows ignores dots and spaces at the end of a name.
        for (const std::string& name : {plain, where.file("say"), plain + ".", plain + " ", plain + ". ."}) {
            for (const char* const argument : {"%PATH%", "\"&echo injected", "a\r\necho injected", "\n"}) {
                const auto refused = error_of_spawn(command(name, argument));
                INFO(name << " " << argument << ": " << refused.text);
                CHECK((refused.code == from_errno(EINVAL) ||
                       refused.code == std::errc::no_such_file_or_directory));
                CHECK(refused.code);
            }
        }
        CHECK(error_of_spawn(command(plain, "%PATH%")).code == from_errno(EINVAL));
        CHECK_THAT(error_of_spawn(command(plain, "\"")).text, Catch::Contains("cmd.exe"));
        CHECK(error_of_spawn(command(plain, std::string(9000, 'x'))).code == from_errno(E2BIG));
    });
}

TEST_CASE("a child of Windows has three handles, and nothing else that can be inherited here") {
    SECURITY_ATTRIBUTES shared{sizeof(SECURITY_ATTRIBUTES), nullptr, TRUE};
    // High numbers, which no child has by chance.
    std::vector<HANDLE> events;
    for (int i = 0; i < 2000; ++i) events.push_back(::CreateEventW(&shared, TRUE, FALSE, nullptr));
    const std::string number = std::to_string(reinterpret_cast<std::uintptr_t>(events.back()));
    with_children([&]() -> bight::task<> {
        command c = child_program("handles", number);
        const std::string first = co_await output_of(c.null(0).null(2));
        CHECK(first == "110");
        const std::string second = co_await output_of(c.close(0).close(2));
        CHECK(second == "000");
        // One that is given is a duplicate: the caller's stays as it is.
        HANDLE reads = nullptr;
        HANDLE writes = nullptr;
        REQUIRE(::CreatePipe(&reads, &writes, nullptr, 0));
        DWORD count = 0;
        REQUIRE(::WriteFile(writes, "given", 5, &count, nullptr));
        ::CloseHandle(writes);
        const int given = static_cast<int>(reinterpret_cast<std::intptr_t>(reads));
        const std::string third = co_await output_of(child_program("cat").inherit(0, given));
        CHECK(third == "given");
        DWORD flags = 0;
        CHECK(::GetHandleInformation(reads, &flags));
        ::CloseHandle(reads);
        const auto closed = error_of_spawn(c.inherit(0, 0x123454));
        CHECK(closed.code == from_errno(EBADF));
        CHECK_THAT(closed.text, Catch::Contains("descriptor 0 of") && Catch::Contains("which is to be"));
    });
    for (const HANDLE e : events) ::CloseHandle(e);
}

TEST_CASE("neither a child of Windows nor one that cannot be started leaves a handle behind") {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const temporary_directory where;
    std::ofstream(where.file("text.exe")) << "no program\n";
    reactor_fixture on(kind);
    const auto start_some = [&]() -> bight::task<> {
        process child = process::spawn(child_program("cat").pipe_to(0).pipe_from(1).pipe_from(2).new_group());
        co_await child.standard_input().close();
        co_await child.wait();
        (void)error_of_spawn(command(where.file("text.exe")).pipe_to(0).pipe_from(1).new_group());
        (void)error_of_spawn(command("bight_no_such").pipe_to(0));
    };
    on.run(start_some);  // with what the system keeps from the first time on
    const DWORD before = open_handles();
    for (int i = 0; i < 3; ++i) on.run(start_some);
    CHECK(open_handles() <= before + 2);  // threads of the system's pool come and go
}
