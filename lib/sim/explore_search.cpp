#include "explore_search.hpp"

#include "child_pipe.hpp"
#include "child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace bight::sim::detail {

namespace {

using clock = std::chrono::steady_clock;

// Memory shared by all processes.
struct shared_counter {
    std::atomic<std::uint64_t> next{0};
    std::atomic<std::uint64_t> next_gap{0};  ///< the next seed that an earlier worker has left
    std::atomic<bool> stop{false};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

class shared_memory {
  public:
    shared_memory() {
        void* const at = ::mmap(nullptr, sizeof(shared_counter), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap");
        counter_ = new (at) shared_counter;
    }
    shared_memory(const shared_memory&) = delete;
    shared_memory& operator=(const shared_memory&) = delete;
    ~shared_memory() { ::munmap(counter_, sizeof(shared_counter)); }
    shared_counter* operator->() const noexcept { return counter_; }

  private:
    shared_counter* counter_;
};

// A message from a worker: that it begins a seed (one word, its index), or how one ended (the same, and an
// attempt).
std::string message(std::uint64_t index, std::string_view rest) {
    std::string out(2 * sizeof index, '\0');
    const std::uint64_t size = rest.size();
    std::memcpy(out.data(), &size, sizeof size);
    std::memcpy(out.data() + sizeof size, &index, sizeof index);
    out += rest;
    return out;
}

[[noreturn]] void work(world_test& test, const explore_options& options, const shared_memory& counter,
                       const std::vector<std::uint64_t>& gaps, int out) {
    become_child(true);
    while (!counter->stop) {
        const std::uint64_t gap = counter->next_gap++;
        const std::uint64_t index = gap < gaps.size() ? gaps[static_cast<std::size_t>(gap)] : counter->next++;
        if (index >= options.seeds) break;
        if (!write_all(out, message(index, {}))) break;
        const std::uint64_t seed = options.first_seed + index;
        const bool twice = options.run_twice_each > 0 && index % options.run_twice_each == 0;
        attempt a;
        try {
            a = twice ? run_twice_here(test, seed, options.world)
                      : run_here(test, seed, options.world, false);
        } catch (const std::bad_alloc& e) {  // outside the test, while its world was made or examined
            a.failed = true;
            a.type = "std::bad_alloc";
            a.message = e.what();
        }
        if (!write_all(out, message(index, to_bytes(a)))) break;
        if (a.failed) break;
    }
    ::_exit(0);
}

constexpr auto time_between_roll_calls = std::chrono::milliseconds(100);

struct worker {
    pid_t pid = -1;
    int from = -1;  ///< -1 when it has closed its end
    std::string bytes;
    std::optional<std::uint64_t> running;  ///< the index
    clock::time_point until{};
};

class crew {
  public:
    crew(world_test& test, const explore_options& options) : test_(test), options_(options) {}
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;
    ~crew() {
        for (worker& w : workers_) {
            kill_and_wait(w.pid);
            close(w);
        }
    }

    search_result run() {
        unsigned count =
            options_.jobs > 0 ? options_.jobs : std::max(1U, std::thread::hardware_concurrency());
        count = static_cast<unsigned>(std::min<std::uint64_t>(count, options_.seeds));
        const auto end = saturating_add(clock::now(), options_.limit_for_all);
        do {
            for (unsigned i = 0; i < count; ++i) hire();
            while (!workers_.empty()) {
                if (options_.limit_for_all.count() > 0 && clock::now() >= end) out_of_time_ = true;
                if (out_of_time_) counter_->stop = true;
                listen();
            }
        } while (!out_of_time_ && find_gaps());
        search_result result;
        result.failure = failure_;
        result.seeds = failure_ ? failed_ + 1 : ended_.size();
        for (const auto& [index, elapsed] : ended_) {
            if (!failure_ || index <= failed_) result.simulated += elapsed;
        }
        return result;
    }

  private:
    void hire() {
        int ends[2];
        make_child_pipe(ends);
        std::fflush(nullptr);
        const pid_t child = ::fork();
        if (child < 0) {
            const int error = errno;
            ::close(ends[0]);
            ::close(ends[1]);
            throw std::system_error(error, std::system_category(), "fork");
        }
        if (child == 0) work(test_, options_, counter_, gaps_, ends[1]);
        ::close(ends[1]);
        worker& w = workers_.emplace_back();
        w.pid = child;
        w.from = ends[0];
        w.until = clock::time_point::max();
    }

    static void close(worker& w) noexcept {
        if (w.from >= 0) ::close(std::exchange(w.from, -1));
    }

    // Finds the seeds that were not run to their ends because their workers are gone. True when there are any
    // that must be run.
    bool find_gaps() {
        const std::uint64_t begun = failure_ ? failed_ : std::min(counter_->next.load(), options_.seeds);
        std::vector<bool> has_ended(static_cast<std::size_t>(begun));
        for (const auto& [index, elapsed] : ended_) {
            if (index < begun) has_ended[static_cast<std::size_t>(index)] = true;
        }
        gaps_.clear();
        for (std::size_t i = 0; i < has_ended.size(); ++i) {
            if (!has_ended[i]) gaps_.push_back(i);
        }
        if (gaps_.empty() && (failure_ || begun == options_.seeds)) return false;
        if (std::exchange(progress_, ended_.size() + killed_.size()) == ended_.size() + killed_.size()) {
            // No worker even begins a seed.
            fail(gaps_.empty() ? begun : gaps_.front(), attempt_that_ended(last_status_));
            return false;
        }
        counter_->next = failure_ ? options_.seeds : begun;
        counter_->next_gap = 0;
        counter_->stop = false;
        return true;
    }

    void fail(std::uint64_t index, attempt a) {
        counter_->stop = true;
        if (failure_ && failed_ < index) return;
        failed_ = index;
        failure_ = std::move(a);
    }

    // Waits until a worker reports, takes too long, or may have ended without a report.
    void listen() {
        std::vector<pollfd> watched;
        clock::time_point next = next_roll_call_;
        for (const worker& w : workers_) {
            watched.push_back({w.from, POLLIN, 0});
            next = std::min(next, w.until);
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock::now()).count();
        if (::poll(watched.data(), static_cast<nfds_t>(watched.size()),
                   left > 0 ? static_cast<int>(left) : 0) < 0)
            return;
        const clock::time_point now = clock::now();
        const bool roll_call = now >= next_roll_call_;
        const bool some_are_deaf =
            std::any_of(workers_.begin(), workers_.end(), [](const worker& w) { return w.from < 0; });
        if (roll_call) next_roll_call_ = now + time_between_roll_calls / (some_are_deaf ? 20 : 1);
        for (std::size_t i = 0; i < watched.size(); ++i) {
            worker& w = workers_[i];
            if (watched[i].revents != 0) {
                hear(w);
            } else if (now >= w.until) {
                end_hanging(w);
            } else if (roll_call) {
                look_for_end(w);
            }
        }
        std::erase_if(workers_, [](const worker& w) { return w.pid < 0; });
    }

    void end_hanging(worker& w) {
        last_status_ = kill_and_wait(std::exchange(w.pid, -1));
        close(w);
        if (!w.running) return;  // another worker runs what it would have run next
        attempt a;
        a.failed = true;
        a.kind = failure_kind::hang;
        a.message = "it takes longer than its limit";
        fail(*w.running, std::move(a));
    }

    // It may have closed its end of the pipe and still live, or have ended while a child of its own holds the
    // pipe.
    void look_for_end(worker& w) {
        const std::optional<int> status = wait_for_end(w.pid, clock::time_point::min());
        if (!status) return;
        w.pid = -1;
        pollfd last_words{w.from, POLLIN, 0};
        while (w.from >= 0 && ::poll(&last_words, 1, 0) > 0) hear(w);
        close(w);
        last_status_ = *status;
        if (!w.running) return;
        // Killed, most likely by the kernel because memory was exhausted: the seed gets a second try.
        const bool killed = *status != unknown_status && WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL;
        if (killed && killed_.insert(*w.running).second) return;
        fail(*w.running, attempt_that_ended(*status));
    }

    void hear(worker& w) {
        char buffer[16384];
        const ssize_t got = ::read(w.from, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) return;
        if (got <= 0) {
            close(w);
            w.until = std::min(w.until, saturating_add(clock::now(), options_.limit_for_each));
            next_roll_call_ = clock::now();
            return;
        }
        w.bytes.append(buffer, static_cast<std::size_t>(got));
        std::size_t at = 0;
        std::uint64_t head[2];
        while (w.bytes.size() - at >= sizeof head) {
            std::memcpy(head, w.bytes.data() + at, sizeof head);
            if (w.bytes.size() - at - sizeof head < head[0]) break;
            at += sizeof head;
            take(w, head[1], std::string_view(w.bytes).substr(at, static_cast<std::size_t>(head[0])));
            at += static_cast<std::size_t>(head[0]);
        }
        w.bytes.erase(0, at);
    }

    void take(worker& w, std::uint64_t index, std::string_view rest) {
        if (rest.empty()) {
            w.running = index;
            w.until = saturating_add(clock::now(), options_.limit_for_each);
            return;
        }
        w.running.reset();
        w.until = clock::time_point::max();
        attempt a = from_bytes(rest);
        ended_.emplace_back(index, a.elapsed);
        if (a.failed) fail(index, std::move(a));
    }

    world_test& test_;
    const explore_options& options_;
    shared_memory counter_;
    std::vector<worker> workers_;
    clock::time_point next_roll_call_ = clock::now() + time_between_roll_calls;
    std::vector<std::uint64_t> gaps_;  ///< indices that these workers run first
    std::size_t progress_ = 0;         ///< of all workers before these
    std::set<std::uint64_t> killed_;   ///< indices whose worker was killed
    bool out_of_time_ = false;
    int last_status_ = 0;
    std::vector<std::pair<std::uint64_t, std::int64_t>> ended_;  ///< index, ns of virtual time
    std::optional<attempt> failure_;
    std::uint64_t failed_ = 0;  ///< its index
};

}  // namespace

search_result search(world_test& test, const explore_options& options) {
    crew all(test, options);
    return all.run();
}

}  // namespace bight::sim::detail
