#include "explore_attempt.hpp"

#include "world_state.hpp"

#include "moved_memory.hpp"
#include "watched_world.hpp"

#include <bight/core/detail/frame_pool.hpp>
#include <bight/core/error.hpp>
#include <bight/core/virtual_clock.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <cxxabi.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>

namespace bight::sim {

std::string_view name_of(failure_kind k) noexcept {
    switch (k) {
        case failure_kind::error: return "error";
        case failure_kind::crash: return "crash";
        case failure_kind::hang: return "hang";
        case failure_kind::leak: return "leak";
        case failure_kind::not_repeatable: return "not repeatable";
        case failure_kind::out_of_memory: return "out of memory";
    }
    return "unknown";
}

namespace detail {

namespace {

std::string_view first_line(std::string_view text) { return text.substr(0, text.find('\n')); }

// The type of the exception that is being handled.
std::string current_type() {
    const std::type_info* const type = abi::__cxa_current_exception_type();
    if (!type) return "an exception of another language";
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> readable(
        abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
    return readable ? readable.get() : type->name();
}

void append(std::string& out, std::uint64_t number) {
    char bytes[sizeof number];
    std::memcpy(bytes, &number, sizeof number);
    out.append(bytes, sizeof number);
}

void append(std::string& out, const std::string& text) {
    append(out, std::uint64_t{text.size()});
    out += text;
}

class reader {
  public:
    explicit reader(std::string_view bytes) : left_(bytes) {}
    std::uint64_t number() {
        std::uint64_t value = 0;
        const std::string_view bytes = take(sizeof value);
        std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }
    std::string text() { return std::string(take(static_cast<std::size_t>(number()))); }

  private:
    std::string_view take(std::size_t size) {
        if (size > left_.size())
            throw std::runtime_error("a child process has sent something that is no result");
        const std::string_view taken = left_.substr(0, size);
        left_.remove_prefix(size);
        return taken;
    }
    std::string_view left_;
};

// The first line in which two traces differ, from both.
std::string first_difference(const std::string& a, const std::string& b) {
    if (a == b) return "their traces are the same, but not the faults or the time that passed";
    std::size_t at = 0;
    std::size_t line = 1;
    for (;; ++line) {
        const std::string_view of_a = first_line(std::string_view(a).substr(at));
        const std::string_view of_b = first_line(std::string_view(b).substr(at));
        if (of_a != of_b || at + of_a.size() >= a.size() || at + of_b.size() >= b.size()) {
            const auto shown = [](std::string_view l) {
                return l.empty() ? std::string("(the end)") : std::string(l);
            };
            return "their traces differ in line " + std::to_string(line) + ":\n  first:  " + shown(of_a) +
                   "\n  second: " + shown(of_b);
        }
        at += of_a.size() + 1;
    }
}

}  // namespace

std::string attempt::what() const {
    if (!failed) return "no failure";
    return type.empty() ? message : type + ": " + message;
}

bool attempt::ran_out_of_memory() const {
    return failed && (type == "std::bad_alloc" || message.starts_with("SIGKILL"));
}

std::string to_bytes(const attempt& a) {
    std::string out;
    append(out, std::uint64_t{a.failed});
    append(out, static_cast<std::uint64_t>(a.kind));
    append(out, a.type);
    append(out, a.message);
    append(out, std::uint64_t{a.failed ? a.happened.size() : 0});
    if (a.failed) {
        for (const happened_fault& f : a.happened) {
            append(out, f.id);
            append(out, static_cast<std::uint64_t>(f.kind));
        }
    }
    for (const std::uint64_t n : a.counts) append(out, n);
    append(out, static_cast<std::uint64_t>(a.elapsed));
    append(out, a.tasks);
    append(out, a.trace);
    append(out, a.waits);
    append(out, a.page_error);
    append(out, std::uint64_t{a.fault_lines.size()});
    for (const std::uint64_t n : a.fault_lines) append(out, n);
    return out;
}

attempt from_bytes(std::string_view bytes) {
    reader in(bytes);
    attempt a;
    a.failed = in.number() != 0;
    a.kind = static_cast<failure_kind>(in.number());
    a.type = in.text();
    a.message = in.text();
    a.happened.resize(static_cast<std::size_t>(in.number()));
    for (happened_fault& f : a.happened) {
        f.id = in.number();
        f.kind = static_cast<fault>(in.number());
    }
    for (std::uint64_t& n : a.counts) n = in.number();
    a.elapsed = static_cast<std::int64_t>(in.number());
    a.tasks = in.text();
    a.trace = in.text();
    a.waits = in.text();
    a.page_error = in.text();
    a.fault_lines.resize(static_cast<std::size_t>(in.number()));
    for (std::uint64_t& n : a.fault_lines) n = in.number();
    return a;
}

void look_at(const world& w, attempt& a) {
    a.happened = w.happened_faults();
    for (std::size_t i = 0; i < fault_kinds; ++i) a.counts[i] = w.count(static_cast<fault>(i));
    a.elapsed = std::chrono::nanoseconds(w.elapsed()).count();
}

void look_closely_at(const world& w, attempt& a) {
    look_at(w, a);
    std::uint64_t line = 0;
    a.fault_lines.clear();
    for (const auto& e : w.trace().events()) {
        if (e.what == "fault") a.fault_lines.push_back(line);
        ++line;
    }
    a.trace = w.trace().to_json_lines();
    if (a.failed) a.tasks = w.dump_tasks();
}

namespace {

// `blocks_left`: blocks of memory that are left after the world is destroyed; 0 where they are not counted.
attempt run_once_here(world_test& test, std::uint64_t seed, const world_options& options, bool with_details,
                      trace* copy, long& blocks_left) {
    attempt a;
    const long frames = bight::detail::live_frames();
    const long blocks_before = blocks_out();
    long blocks_of_result = 0;
    {
        world w(seed, options);
        const watched_world watched(w, a, with_details);
        try {
            test.run(w);
            if (const std::string forgotten = world_access::state(w).forgotten(); !forgotten.empty()) {
                throw std::logic_error(forgotten);
            }
        } catch (const std::exception& e) {
            a.failed = true;
            a.type = current_type();
            a.message = e.what();
            // The tree of tasks is reported separately.
            const bool is_deadlock = dynamic_cast<const deadlock*>(&e) != nullptr;
            if (is_deadlock) a.waits = places_in(a.message);
            if (is_deadlock || dynamic_cast<const stuck*>(&e)) a.message = std::string(first_line(a.message));
        } catch (...) {
            a.failed = true;
            a.type = current_type();
            a.message = "no std::exception";
        }
        world_access::state(w).has_run = true;  // a test that failed before is reported as such
        const long blocks_of_run = blocks_out();
        if (with_details) {
            look_closely_at(w, a);
        } else {
            look_at(w, a);
        }
        watched.is_told();
        if (copy) *copy = w.trace();
        blocks_of_result = blocks_out() - blocks_of_run;
    }
    blocks_left = blocks_out() - blocks_before - blocks_of_result;
    const long left = bight::detail::live_frames() - frames;
    if (!a.failed && left != 0) {
        a.failed = true;
        a.kind = failure_kind::leak;
        a.message = std::to_string(left) + " frames of tasks are left when the world is gone";
    }
    return a;
}

}  // namespace

attempt run_here(world_test& test, std::uint64_t seed, const world_options& options, bool with_details,
                 trace* copy) {
    long blocks_left = 0;
    attempt a = run_once_here(test, seed, options, with_details, copy, blocks_left);
    // Objects that are made once for the whole program are no leak: a second run does not make them again.
    if (!a.failed && blocks_left > 0) a = run_once_here(test, seed, options, with_details, copy, blocks_left);
    if (!a.failed && blocks_left > 0) {
        a.failed = true;
        a.kind = failure_kind::leak;
        a.message = "blocks of memory are left when the world is gone: " + std::to_string(blocks_left);
    }
    return a;
}

attempt run_twice_here(world_test& test, std::uint64_t seed, const world_options& options) {
    trace of_first;
    attempt first = run_here(test, seed, options, false, &of_first);
    if (first.failed) return first;
    const moved_memory elsewhere;
    trace of_second;
    const attempt second = run_here(test, seed, options, false, &of_second);
    if (second.ran_out_of_memory()) return second;
    if (!second.failed && of_first.digest() == of_second.digest() && first.elapsed == second.elapsed &&
        first.happened == second.happened) {
        return first;
    }
    attempt out = second;
    out.failed = true;
    out.kind = failure_kind::not_repeatable;
    out.type.clear();
    out.message = "the same seed does not do the same twice in one process: ";
    if (second.failed) out.message += "the second time it fails (" + second.what() + "), and ";
    out.message += first_difference(of_first.to_json_lines(), of_second.to_json_lines());
    return out;
}

}  // namespace detail
}  // namespace bight::sim
