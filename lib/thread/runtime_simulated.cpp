// A runtime on a simulated host.
#include "../core/driven_run.hpp"
#include "../core/reactor_state.hpp"
#include "runtime_state.hpp"

#include <bight/core/error.hpp>
#include <bight/core/virtual_clock.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

namespace bight::detail {

namespace {

/// Does what run_shard does, on a reactor whose turns a world gives.
class simulated_shard {
  public:
    simulated_shard(shard_run& of, std::size_t index) : of_(of), index_(index) { begin(false); }

    /// See driven_run::over.
    bool over() noexcept {
        for (;;) {
            if (!run_) return true;
            if (!run_->over()) return false;
            if (root_->result() != outcome::cancelled) return true;
            begin(true);  // a stop came before the first turn: see run_shard
        }
    }

  private:
    void begin(bool stopped) noexcept {
        run_.reset();
        root_.reset();
        try {
            root_.emplace(shard_main(of_, index_, stopped));
            run_.emplace(*of_.state.workers[index_]->own, *root_, root_->frame());
        } catch (...) {  // not even begun: no memory
            run_.reset();
            of_.could_not_begin();
        }
    }

    shard_run& of_;
    const std::size_t index_;
    std::optional<root_job<void>> root_;
    std::optional<driven_run> run_;
};

/// The condition that all of them are over.
class simulated_shards final : public simulated_thread::condition {
  public:
    explicit simulated_shards(shard_run& run) {
        for (std::size_t i = 0; i < run.scopes.size(); ++i) {
            all_.push_back(std::make_unique<simulated_shard>(run, i));
        }
    }
    bool holds() override {
        bool all_over = true;
        for (const auto& one : all_) all_over = one->over() && all_over;
        return all_over;
    }

  private:
    std::vector<std::unique_ptr<simulated_shard>> all_;
};

}  // namespace

void runtime_state::make_simulated(std::size_t count) {
    reactor_options each = options.reactor;
    for (std::size_t i = 0; i < count; ++i) {
        each.platform = &simulated->add_reactor();
        workers.push_back(std::make_unique<worker>());
        workers.back()->own.emplace(each);
    }
}

void runtime_state::give_turns(bool on) noexcept {
    for (const auto& w : workers) simulated->give_turns(*reactor_state::platform_of(*w->own), on);
}

void runtime_state::run_simulated(shard_run& run) {
    simulated_shards shards(run);
    give_turns(true);
    bool ended = false;
    try {
        ended = simulated->wait(shards);
    } catch (const deadlock&) {  // a machine's: a world throws it from world::run
        if (run.reports) report_error({std::current_exception(), "bight::runtime::run", {}});
        run.failed(std::current_exception());
        stop_now();
        ended = simulated->wait(shards);
    }
    give_turns(false);
    if (ended) return;
    stop_now();
    while (!shards.holds()) {
        for (const auto& w : workers) w->own->run_once();
    }
}

// Does what a worker thread does at its end.
void runtime_state::end_simulated() noexcept {
    struct no_tasks final : simulated_thread::condition {
        explicit no_tasks(runtime_state& s) noexcept : state(s) {}
        bool holds() override {
            return std::all_of(state.workers.begin(), state.workers.end(),
                               [](const auto& w) { return w->own->statistics().live_tasks == 0; });
        }
        runtime_state& state;
    };
    no_tasks over(*this);
    if (!over.holds()) {
        stop_now();
        give_turns(true);
        const bool ended = simulated->wait(over);
        give_turns(false);
        while (!ended && !over.holds()) {
            for (const auto& w : workers) w->own->run_once();
        }
    }
    for (auto& w : workers) w->own.reset();
}

}  // namespace bight::detail
