#include "explore_search.hpp"

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
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace bight::sim::detail {

namespace {

using clock = std::chrono::steady_clock;

// What all processes see.
struct shared_counter {
    std::atomic<std::uint64_t> next{0};
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

// What a worker says: that it begins a seed (one word, its index), or how one ended (the same, and an
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
                       int out) {
    become_child(true);
    while (!counter->stop) {
        const std::uint64_t index = counter->next++;
        if (index >= options.seeds) break;
        if (!write_all(out, message(index, {}))) break;
        const std::uint64_t seed = options.first_seed + index;
        const bool twice = options.run_twice_each > 0 && index % options.run_twice_each == 0;
        const attempt a =
            twice ? run_twice_here(test, seed, options.world) : run_here(test, seed, options.world, false);
        if (!write_all(out, message(index, to_bytes(a)))) break;
        if (a.failed) break;
    }
    ::_exit(0);
}

struct worker {
    pid_t pid = -1;
    int from = -1;
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
        for (worker& w : workers_) dismiss(w, true);
    }

    search_result run() {
        unsigned count =
            options_.jobs > 0 ? options_.jobs : std::max(1U, std::thread::hardware_concurrency());
        count = static_cast<unsigned>(std::min<std::uint64_t>(count, options_.seeds));
        for (unsigned i = 0; i < count; ++i) hire();
        const auto end = saturating_add(clock::now(), options_.limit_for_all);
        while (!workers_.empty()) {
            if (options_.limit_for_all.count() > 0 && clock::now() >= end) counter_->stop = true;
            listen();
        }
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
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category(), "pipe2");
        std::fflush(nullptr);
        const pid_t child = ::fork();
        if (child < 0) {
            const int error = errno;
            ::close(ends[0]);
            ::close(ends[1]);
            throw std::system_error(error, std::system_category(), "fork");
        }
        if (child == 0) work(test_, options_, counter_, ends[1]);
        ::close(ends[1]);
        worker& w = workers_.emplace_back();
        w.pid = child;
        w.from = ends[0];
        w.until = clock::time_point::max();
    }

    // Gives its status.
    static int dismiss(worker& w, bool kill) {
        if (w.pid < 0) return 0;
        if (kill) ::kill(w.pid, SIGKILL);
        int status = 0;
        while (::waitpid(w.pid, &status, 0) < 0 && errno == EINTR) {
        }
        ::close(w.from);
        w.pid = -1;
        return status;
    }

    void fail(std::uint64_t index, attempt a) {
        counter_->stop = true;
        if (failure_ && failed_ < index) return;
        failed_ = index;
        failure_ = std::move(a);
    }

    // Waits until one has something to say, or takes too long.
    void listen() {
        std::vector<pollfd> watched;
        clock::time_point next = clock::now() + std::chrono::seconds(1);
        for (const worker& w : workers_) {
            watched.push_back({w.from, POLLIN, 0});
            next = std::min(next, w.until);
        }
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock::now()).count();
        if (::poll(watched.data(), watched.size(), left > 0 ? static_cast<int>(left) : 0) < 0) return;
        for (std::size_t i = 0; i < watched.size(); ++i) {
            worker& w = workers_[i];
            if (watched[i].revents != 0 ? !hear(w) : clock::now() >= w.until && !wait_longer(w))
                gone_.push_back(i);
        }
        for (; !gone_.empty(); gone_.pop_back()) {
            workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(gone_.back()));
        }
    }

    bool wait_longer(worker& w) {
        dismiss(w, true);
        attempt a;
        a.failed = true;
        a.kind = failure_kind::hang;
        a.message = "it takes longer than its limit";
        fail(*w.running, std::move(a));
        return false;
    }

    // False when it has ended.
    bool hear(worker& w) {
        char buffer[16384];
        const ssize_t got = ::read(w.from, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) return true;
        if (got <= 0) {
            const attempt end = attempt_that_ended(dismiss(w, false));
            if (w.running) fail(*w.running, end);
            return false;
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
        return true;
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
    std::vector<std::size_t> gone_;
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
