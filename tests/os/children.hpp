// What tests of child processes share.
#pragma once

#include "support/catch.hpp"
#include "support/error_of.hpp"
#include "support/reactors.hpp"

#include "os/child_plan.hpp"
#include "os/child_process.hpp"

#include <bight/core/task.hpp>
#include <bight/io/stream.hpp>
#include <bight/os/process.hpp>

#include <sys/wait.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace test {

/// Sets a variable while it lives.
class switched {
  public:
    switched(bool& what, bool to) : what_(what), before_(what) { what = to; }
    switched(const switched&) = delete;
    switched& operator=(const switched&) = delete;
    ~switched() { what_ = before_; }

  private:
    bool& what_;
    bool before_;
};

/// A reactor on a demultiplexer, with pidfds or as on a system without. At its end no child is left.
class children_fixture {
  public:
    children_fixture(bight::demultiplexer_kind kind, bool pidfd)
        : pidfd_(bight::detail::uses_pidfd, pidfd),
          on(kind),
          name(std::string(name_of(kind)) + (pidfd ? "" : ", SIGCHLD")) {}
    ~children_fixture() {
        on.finish();
        INFO("on " << name);
        CHECK((::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD));
    }

  private:
    switched pidfd_;

  public:
    reactor_fixture on;
    std::string name;
};

/// The body as a run of the test case of its own on each demultiplexer, with pidfds and without.
template <class F>
void with_children(F body) {
    const auto kind = GENERATE(from_range(demultiplexers()));
    const bool pidfd = GENERATE(true, false);
    children_fixture f(kind, pidfd);
    INFO("on " << f.name);
    f.on.run(body);
}

/// The same for what does not depend on how the end of a child is noticed.
template <class F>
void with_pidfd(F body) {
    const auto kind = GENERATE(from_range(demultiplexers()));
    children_fixture f(kind, true);
    INFO("on " << f.name);
    f.on.run(body);
}

/// `sh -c script`.
inline bight::command shell(std::string_view script) { return bight::command("/bin/sh", "-c", script); }

/// All that comes from a stream until its end.
inline bight::task<std::string> all_of(bight::stream& from) {
    std::string all;
    while (auto part = co_await from.read_some()) all.append(part.begin(), part.end());
    co_return all;
}

/// What a program writes to its standard output.
inline bight::task<std::string> output_of(bight::command c) {
    c.pipe_from(1);
    bight::process child = bight::process::spawn(c);
    std::string all = co_await all_of(child.standard_output());
    co_await child.wait();
    co_return all;
}

/// The error of a spawn, and its text.
struct spawn_error {
    std::error_code code;
    std::string text;
};
inline spawn_error error_of_spawn(const bight::command& c) {
    try {
        const bight::process child = bight::process::spawn(c);
    } catch (const std::system_error& e) {
        return {e.code(), e.what()};
    }
    return {};
}

}  // namespace test
