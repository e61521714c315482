// What Windows has beside sockets: pipes, processes, events; and how many of them a demultiplexer takes.
#include "probes.hpp"

#include <windows.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

using bight::const_buffer;
using bight::demultiplexer_kind;
using bight::mutable_buffer;
using test::demultiplexer_fixture;
using test::operation_kind;
using test::plain_probe;
using test::probe_descriptor;
using test::process_probe;
using test::receive_probe;
using test::send_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

int number_of(HANDLE handle) { return static_cast<int>(reinterpret_cast<std::intptr_t>(handle)); }
HANDLE handle_of(const probe_descriptor& d) { return reinterpret_cast<HANDLE>(d.fd); }

struct pipe_ends {
    HANDLE ours = nullptr;
    HANDLE theirs = nullptr;
};

/// A pipe in both directions; our end is overlapped.
pipe_ends make_named_pipe() {
    static int count = 0;
    const std::wstring name =
        L"\\\\.\\pipe\\bight-" + std::to_wstring(::GetCurrentProcessId()) + L"-" + std::to_wstring(++count);
    pipe_ends ends;
    ends.ours = ::CreateNamedPipeW(name.c_str(), PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE, 1,
                                   4096, 4096, 0, nullptr);
    REQUIRE(ends.ours != INVALID_HANDLE_VALUE);
    ends.theirs =
        ::CreateFileW(name.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
    REQUIRE(ends.theirs != INVALID_HANDLE_VALUE);
    return ends;
}

}  // namespace

TEST_CASE("a pipe of Windows is read and written, until the other end has gone") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const pipe_ends ends = make_named_pipe();
    auto& d = on.add(number_of(ends.ours), true);
    std::array<char, 64> memory{};
    receive_probe read(d, operation_kind::read);
    read.memory = mutable_buffer(memory.data(), memory.size());
    on.start(read);
    on.turns();
    CHECK(read.completions == 0);
    DWORD count = 0;
    REQUIRE(::WriteFile(ends.theirs, "hello", 5, &count, nullptr));
    REQUIRE(on.until_completed(read));
    CHECK(std::string(memory.data(), static_cast<std::size_t>(read.result)) == "hello");

    send_probe write(d, operation_kind::write);
    std::array<const_buffer, 2> pieces{const_buffer("one "), const_buffer("two")};
    write.pieces = pieces.data();
    write.piece_count = pieces.size();
    on.start(write);
    REQUIRE(on.until_completed(write));
    CHECK(write.result == 0);
    char got[16] = "";
    DWORD all = 0;
    while (all < 7 && ::ReadFile(ends.theirs, got + all, 7 - all, &count, nullptr)) all += count;
    CHECK(std::string(got, all) == "one two");

    on.start(read);
    on.turns();
    CHECK(read.completions == 1);
    on.cancel(read);
    REQUIRE(on.until_completed(read, 2));
    CHECK(read.result == -ECANCELED);

    ::CloseHandle(ends.theirs);
    on.start(read);
    REQUIRE(on.until_completed(read, 3));
    CHECK(read.result == 0);
    pieces[0] = const_buffer("x");
    write.pieces = pieces.data();
    write.piece_count = 1;
    on.start(write);
    REQUIRE(on.until_completed(write, 2));
    CHECK(bight::detail::errno_of(write.error()) == EPIPE);
}

TEST_CASE("reads of a pipe of Windows wait in line, and a write of no bytes ends none") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const pipe_ends ends = make_named_pipe();
    auto& d = on.add(number_of(ends.ours), true);
    std::array<char, 3> memory{};
    receive_probe first(d, operation_kind::read);
    receive_probe second(d, operation_kind::read);
    first.memory = mutable_buffer(memory.data(), 2);
    second.memory = mutable_buffer(memory.data() + 2, 1);
    on.start(first);
    on.start(second);
    on.turns();
    DWORD count = 0;
    REQUIRE(::WriteFile(ends.theirs, "", 0, &count, nullptr));
    on.turns();
    CHECK(first.completions == 0);
    REQUIRE(::WriteFile(ends.theirs, "abc", 3, &count, nullptr));
    REQUIRE(on.until_completed(first));
    REQUIRE(on.until_completed(second));
    CHECK(first.result == 2);
    CHECK(second.result == 1);
    CHECK(std::string(memory.data(), 3) == "abc");
    // One behind the other is cancelled without it.
    on.start(first);
    on.start(second);
    on.turns();
    on.cancel(second);
    REQUIRE(on.until_completed(second, 2));
    CHECK(second.result == -ECANCELED);
    CHECK(first.completions == 1);
    REQUIRE(::WriteFile(ends.theirs, "d", 1, &count, nullptr));
    REQUIRE(on.until_completed(first, 2));
    CHECK(first.result == 1);
    ::CloseHandle(ends.theirs);
}

TEST_CASE("what is under way on a pipe of Windows ends with a cancel, and with its descriptor") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const pipe_ends ends = make_named_pipe();
    auto& d = on.add(number_of(ends.ours), true);
    std::array<char, 8> memory{};
    receive_probe read(d, operation_kind::read);
    read.memory = mutable_buffer(memory.data(), memory.size());
    const std::string much(std::size_t{1} << 18, 'x');  // more than the pipe holds
    send_probe write(d, operation_kind::write);
    std::array<const_buffer, 1> pieces{const_buffer(much)};
    for (int times = 1; times <= 2; ++times) {
        pieces[0] = const_buffer(much);
        write.pieces = pieces.data();
        write.piece_count = 1;
        on.start(read);
        on.start(write);
        on.turns();
        CHECK(read.completions == times - 1);
        CHECK(write.completions == times - 1);
        if (times == 1) {
            on.cancel(read);
            on.cancel(write);
        } else {
            on.demux().detach(d, true);
        }
        REQUIRE(on.until_completed(read, times));
        REQUIRE(on.until_completed(write, times));
        CHECK(read.result == -ECANCELED);
        CHECK(write.result == -ECANCELED);
    }
    CHECK(on.demux().idle());
    ::CloseHandle(ends.theirs);
}

TEST_CASE("a process is awaited, and its status told") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    STARTUPINFOW how{};
    how.cb = sizeof how;
    PROCESS_INFORMATION made{};
    wchar_t command[] = L"cmd.exe /c exit 7";
    REQUIRE(::CreateProcessW(nullptr, command, nullptr, nullptr, FALSE, 0, nullptr, nullptr, &how, &made));
    ::CloseHandle(made.hThread);
    auto& d = on.add(number_of(made.hProcess));
    process_probe op(d, operation_kind::wait_process);
    on.start(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);
    CHECK(op.status == 7);
}

TEST_CASE(
    "a wait for a process that is cancelled leaves it to the next one, and one that has ended is told at "
    "once") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    STARTUPINFOW how{};
    how.cb = sizeof how;
    PROCESS_INFORMATION made{};
    wchar_t command[] = L"cmd.exe /c exit 7";  // which does not begin until it is told to
    REQUIRE(::CreateProcessW(nullptr, command, nullptr, nullptr, FALSE, CREATE_SUSPENDED, nullptr, nullptr,
                             &how, &made));
    auto& d = on.add(number_of(made.hProcess));
    process_probe op(d, operation_kind::wait_process);
    on.start(op);
    on.turns();
    REQUIRE(op.completions == 0);
    on.cancel(op);
    REQUIRE(on.until_completed(op));
    CHECK(op.result == -ECANCELED);
    REQUIRE(::TerminateProcess(made.hProcess, 9));
    ::CloseHandle(made.hThread);
    REQUIRE(::WaitForSingleObject(made.hProcess, 20000) == WAIT_OBJECT_0);
    for (int times = 2; times <= 3; ++times) {
        on.start(op);
        REQUIRE(on.until_completed(op, times));
        CHECK(op.result == 0);
        CHECK(op.status == 9);
    }
}

TEST_CASE("a poll of an event ends when it is set, or is cancelled") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    auto& d = on.add(number_of(::CreateEventW(nullptr, TRUE, FALSE, nullptr)));
    plain_probe op(d, operation_kind::poll_read);
    on.start(op);
    on.turns();
    CHECK(op.completions == 0);
    ::SetEvent(handle_of(d));
    REQUIRE(on.until_completed(op));
    CHECK(op.result == 0);
    ::ResetEvent(handle_of(d));
    on.start(op);
    on.turns();
    on.cancel(op);
    REQUIRE(on.until_completed(op, 2));
    CHECK(op.result == -ECANCELED);
    on.start(op);
    on.turns();
    ::SetEvent(handle_of(d));
    on.demux().detach(d, true);
    REQUIRE(on.until_completed(op, 3));
    CHECK(op.result == -ECANCELED);
}

TEST_CASE("iocp refuses a handle that belongs to another port") {
    demultiplexer_fixture on(demultiplexer_kind::iocp);
    const pipe_ends ends = make_named_pipe();
    const HANDLE port = ::CreateIoCompletionPort(ends.ours, nullptr, 0, 1);
    REQUIRE(port);
    probe_descriptor d;
    d.fd = number_of(ends.ours);
    try {
        on.demux().attach(d);
        FAIL("attached");
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::invalid_argument);
        CHECK_THAT(e.what(), Catch::Contains("another completion port"));
    }
    CHECK(d.demux == nullptr);
    ::CloseHandle(ends.ours);
    ::CloseHandle(ends.theirs);
    ::CloseHandle(port);
}

TEST_CASE("wfmo takes 31 handles that are not sockets, and says so; iocp more") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    const bool is_limited = on.name() == "wfmo";
    std::vector<std::unique_ptr<plain_probe>> ops;
    std::vector<probe_descriptor*> handles;
    for (int i = 0; i < 31; ++i) {
        handles.push_back(&on.add(number_of(::CreateEventW(nullptr, TRUE, FALSE, nullptr))));
        ops.push_back(std::make_unique<plain_probe>(*handles.back(), operation_kind::poll_read));
        on.start(*ops.back());
    }
    on.turns();
    const HANDLE further = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    if (is_limited) {
        probe_descriptor d;
        d.fd = number_of(further);
        try {
            on.demux().attach(d);
            FAIL("attached");
        } catch (const std::system_error& e) {
            CHECK(e.code() == std::errc::too_many_files_open);
            CHECK_THAT(e.what(), Catch::Contains("31"));
        }
        // Where one has gone, there is room for another.
        on.demux().detach(*handles.back(), true);
        REQUIRE(on.until_completed(*ops.back()));
        CHECK(ops.back()->result == -ECANCELED);
        handles.pop_back();
        ops.pop_back();
        handles.push_back(&on.add(number_of(further)));
        ops.push_back(std::make_unique<plain_probe>(*handles.back(), operation_kind::poll_read));
        on.start(*ops.back());
        on.turns();
    } else {
        on.add(number_of(further));
    }
    for (std::size_t i = handles.size(); i > 0; --i) ::SetEvent(handle_of(*handles[i - 1]));
    for (const auto& op : ops) {
        REQUIRE(on.until_completed(*op));
        CHECK(op->result == 0);
    }
}

TEST_CASE("300 sockets that wait, on one reactor") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    std::vector<test::connection*> all;
    std::vector<std::unique_ptr<receive_probe>> ops;
    for (int i = 0; i < 300; ++i) {
        all.push_back(&on.connect(test::pair_kind::tcp));
        ops.push_back(std::make_unique<receive_probe>(all.back()->ours, operation_kind::receive));
        on.start(*ops.back());
    }
    for (int round = 1; round <= 3; ++round) {
        for (auto* c : all) c->say("x");
        for (auto& op : ops) {
            REQUIRE(on.until_completed(*op, round));
            CHECK(op->data.view() == "x");
            op->data.reset();
            on.start(*op);
        }
    }
    for (auto& op : ops) on.cancel(*op);
    for (auto& op : ops) REQUIRE(on.until_completed(*op, 4));
}
