// Prints the tree of tasks as text.
#include "crowd.hpp"
#include "frame_lines.hpp"
#include "reactor_state.hpp"
#include "time_words.hpp"

#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ratio>
#include <string>
#include <utility>
#include <vector>

namespace bight::detail {

namespace {

std::string ticks_in_words(std::uint32_t ticks) {
    using tick = std::chrono::duration<std::int64_t, std::ratio<1, reactor_access::ticks_per_second>>;
    return to_a_tenth(tick(ticks));
}

// Tasks nested deeper than this are not shown one by one: a runaway recursion may have a hundred thousand of
// them.
constexpr std::size_t deepest_shown = 32;
// Of the deeper tasks, this many that wait for something other than tasks are shown: it is what the others
// wait for.
constexpr std::size_t most_deeper_shown = 100;
// After so many, tasks are counted by where they stand: nobody reads more, and text for each of a server's
// connections would hold up the reactor.
constexpr std::size_t most_shown = 1000;

class printer {
  public:
    explicit printer(std::uint32_t now) : now_(now) {}

    /// Prints `root` and all tasks inside it, with an explicit stack, because the thread's stack is limited.
    void print_tree(const job& root) {
        below_.push_back({&root, 0});
        deeper_ = deeper_shown_ = 0;
        while (!below_.empty()) {
            const entry next = below_.back();
            below_.pop_back();
            const std::size_t before = below_.size();
            depth_ = next.depth + 1;
            if (const waiter* const w = next.at->waiting()) {
                w->visit_jobs([](const job& child, void* self) { static_cast<printer*>(self)->add(child); },
                              this);
            }
            const bool waits_for_tasks = below_.size() > before;
            std::reverse(below_.begin() + static_cast<std::ptrdiff_t>(before), below_.end());
            depth_ = next.depth;
            if (shown_ == most_shown) {
                others_.add(*next.at);
            } else if (depth_ < deepest_shown) {
                print(*next.at);
            } else {
                count_deeper(*next.at, waits_for_tasks);
            }
        }
        depth_ = deepest_shown;
        if (deeper_ > deeper_shown_) {
            indent();
            out_ += "and " + std::to_string(deeper_ - deeper_shown_) + " more tasks, nested more than " +
                    std::to_string(deepest_shown) + " deep\n";
        }
    }

    std::string take() && { return std::move(out_) + std::move(others_).take(); }

  private:
    struct entry {
        const job* at;
        std::size_t depth;
    };

    void add(const job& child) { below_.push_back({&child, depth_}); }

    std::size_t indentation() const { return 2 * std::min(depth_, deepest_shown); }
    void indent() { out_.append(indentation(), ' '); }

    void count_deeper(const job& j, bool waits_for_tasks) {
        ++deeper_;
        if (waits_for_tasks || deeper_shown_ == most_deeper_shown) return;
        ++deeper_shown_;
        indent();
        out_ += "… level " + std::to_string(depth_ + 1) + ":\n";
        print(j);
    }

    void print(const job& j) {
        ++shown_;
        indent();
        j.describe_with_name(out_);
        const waiter* const w = j.waiting();
        const bool runs = !w && j.running();
        if (w) {
            out_ += ": waits for ";
            w->describe(out_);
            if (j.cancel_requested()) out_ += " (cancelled)";
            out_ += ", " + ticks_in_words(now_ - j.since()) + " so far";
        } else {
            out_ += runs ? ": running" : j.result() == outcome::pending ? ": ready" : ": ended";
        }
        out_ += " (age " + in_words(std::chrono::seconds(j.age())) + ")\n";
        frame_lines lines(indentation() + 2);
        if (runs) {  // its list of frames is not up to date
            lines.add(detail::reactor_access::resumed_at(j.home()));
        } else {
            add_frames(lines, j);
        }
        out_ += std::move(lines).take();
    }

    // One task may also have that many frames, if coroutines await each other: the innermost and the
    // outermost ones are shown.
    static void add_frames(frame_lines& to, const job& j) {
        constexpr std::size_t most = 2 * deepest_shown;
        std::size_t frames = 0;
        for (const promise_base* f = j.innermost(); f; f = f->parent()) ++frames;
        std::size_t at = 0;
        for (const promise_base* f = j.innermost(); f; f = f->parent(), ++at) {
            if (at < most / 2 || at + most / 2 >= frames) {
                to.add(f->where());
            } else if (at == most / 2) {
                to.leave_out(frames - most);
            }
        }
    }

    std::uint32_t now_;
    std::string out_;
    std::vector<entry> below_;  // what is still to be printed, the next one last
    std::size_t depth_ = 0;
    std::size_t deeper_ = 0;
    std::size_t deeper_shown_ = 0;
    std::size_t shown_ = 0;
    crowd others_;
};

}  // namespace

std::string reactor_state::title() const {
    const std::string kind(port->name());
    if (lives_in) return lives_in->description() + " (" + kind + ")";
    return name.empty() ? kind : name + " (" + kind + ")";
}

std::string reactor_state::dump(std::uint32_t tick) const {
    if (roots.empty()) return "no tasks\n";
    printer p(tick);
    for (const job* root : roots) p.print_tree(*root);
    return std::move(p).take();
}

}  // namespace bight::detail
