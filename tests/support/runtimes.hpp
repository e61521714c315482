// A runtime for tests, with a watchdog, and checks that nothing is left at the end.
#pragma once

#include "catch.hpp"
#include "reactors.hpp"

#include <bight/thread/runtime.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace test {

/// For a runtime of three reactors.
inline bight::runtime_options three_reactors(bight::demultiplexer_kind kind) {
    bight::runtime_options options;
    options.reactor.demultiplexer = kind;
    options.reactors = 3;
    return options;
}

/// `count` reactors on one demultiplexer. When it is destroyed, it checks that as many descriptors are left
/// as before, and that every error which no task took was taken with take_errors().
class runtime_fixture {
  public:
    explicit runtime_fixture(bight::demultiplexer_kind kind, unsigned count = 2,
                             bight::runtime_options options = {})
        : name_(name_of(kind)), descriptors_before_(open_descriptors()) {
        bight::set_error_handler(&on_error, this);
        bight::set_log_handler(&on_log, this);
        options.reactor.demultiplexer = kind;
        options.reactors = count;
        runtime_.emplace(options);
        watch_ = std::thread([this] { watch(); });
    }
    runtime_fixture(const runtime_fixture&) = delete;
    runtime_fixture& operator=(const runtime_fixture&) = delete;
    ~runtime_fixture() { finish(); }

    bight::runtime& runtime() { return *runtime_; }

    /// Runs `run` on a separate thread, so that the test can be its client meanwhile. The destructor stops it
    /// if it has not ended.
    class background {
      public:
        template <class F>
        background(bight::runtime& r, F run) : runtime_(r), thread_([this, run] { status_ = run(); }) {}
        background(const background&) = delete;
        background& operator=(const background&) = delete;
        ~background() {
            if (thread_.joinable()) runtime_.stop();
            wait();
        }
        /// Its exit status.
        int wait() {
            if (thread_.joinable()) thread_.join();
            return status_;
        }

      private:
        bight::runtime& runtime_;
        int status_ = -1;
        std::thread thread_;
    };

    std::vector<std::string> take_errors() {
        const std::lock_guard hold(lock_);
        return std::exchange(errors_, {});
    }
    std::vector<std::string> take_log() {
        const std::lock_guard hold(lock_);
        return std::exchange(log_, {});
    }

    /// Destroys the runtime and makes the checks now.
    void finish() {
        if (!runtime_) return;
        INFO("on " << name_);
        {
            const std::lock_guard hold(lock_);
            done_ = true;
        }
        changed_.notify_all();
        watch_.join();
        runtime_.reset();
        bight::set_error_handler(nullptr);
        bight::set_log_handler(nullptr);
        CHECK_FALSE(barked_);
        CHECK(open_descriptors() == descriptors_before_);
        const auto untaken = take_errors();
        CHECK(untaken == std::vector<std::string>{});
    }

  private:
    void watch() {
        std::unique_lock hold(lock_);
        if (changed_.wait_for(hold, std::chrono::seconds(40), [this] { return done_; })) return;
        barked_ = true;
        hold.unlock();
        for (std::size_t i = 0; i < runtime_->size(); ++i) {
            runtime_->reactor(i).post([this, i] {
                std::fprintf(stderr, "reactor %zu on %s hangs:\n%s", i, name_.c_str(),
                             runtime_->reactor(i).dump_tasks().c_str());
            });
        }
        runtime_->stop_now();
    }

    static void on_error(const bight::error_report& report, void* self) {
        auto& f = *static_cast<runtime_fixture*>(self);
        std::string text = std::string(report.task) + ": " + report.to_string();
        const std::lock_guard hold(f.lock_);
        f.errors_.push_back(std::move(text));
    }
    static void on_log(bight::log_level, std::string_view message, void* self) {
        auto& f = *static_cast<runtime_fixture*>(self);
        const std::lock_guard hold(f.lock_);
        f.log_.emplace_back(message);
    }

    std::string name_;
    int descriptors_before_;
    std::optional<bight::runtime> runtime_;
    std::mutex lock_;
    std::condition_variable changed_;
    bool done_ = false;
    bool barked_ = false;
    std::thread watch_;
    std::vector<std::string> errors_;
    std::vector<std::string> log_;
};

}  // namespace test
