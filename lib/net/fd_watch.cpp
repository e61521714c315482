#include <bight/net/fd_watch.hpp>

#include "descriptor_set.hpp"

#include "../core/system_error.hpp"
#include "../demux/demultiplexer.hpp"
#include "../demux/descriptor_calls.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/core/detail/promise.hpp>
#include <bight/core/detail/waiter.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

namespace {

// What says that a set has something to do, under a number of its own, which the demultiplexer may close.
class set_descriptor final : public descriptor {
  public:
    static set_descriptor& make(demultiplexer& in, const watch_kernel& kernel) {
        auto* const made = new set_descriptor;
        try {
            made->fd = kernel.waitable();
            in.attach(*made);
        } catch (const std::system_error& e) {
            made->abandon();
            const std::string limit = is_of_system(e.code()) ? limit_of_watching(e.code().value()) : "";
            if (limit.empty()) throw;
            throw std::system_error(e.code(), "fd_watch: the reactor cannot wait for it" + limit);
        } catch (...) {
            made->abandon();
            throw;
        }
        return *made;
    }
    void close() noexcept {
        if (demux) demux->detach(*this, true);
        drop();
    }
    void keep() noexcept override { ++users_; }
    void drop() noexcept override {
        if (--users_ == 0) delete this;
    }

  private:
    void abandon() noexcept {
        if (fd != invalid_handle) close_descriptor(fd);
        drop();
    }
    set_descriptor() noexcept {
        is_only_polled = true;
        wakes_host = true;
    }

    unsigned users_ = 1;
};

class set_awaiter final : public waiter, public awaiter_base<set_awaiter>, private set_wait {
  public:
    set_awaiter(descriptor_set& set, set_descriptor& on) noexcept : set_(set), wait_(*this, on) {}

    /// Calls the handlers.
    void await_resume() {
        if (wait_.result < 0 && wait_.result != -ECANCELED) {
            throw std::system_error(system_error_code(wait_.error()),
                                    "fd_watch: the wait for its descriptors");
        }
        if (!set_.closed()) set_.deliver(*this);
    }

    void cancel() noexcept override {
        if (end_early()) confirm_cancel();
    }
    void describe(std::string& out) const override {
        out += "readiness of ";
        set_.describe(out);
    }

  private:
    friend awaiter_base<set_awaiter>;

    class poll_operation final : public operation {
      public:
        poll_operation(set_awaiter& of, descriptor& set) noexcept : of_(of) {
            kind = operation_kind::poll_read;
            on = &set;
        }

      private:
        void completed() noexcept override { of_.completed(); }
        set_awaiter& of_;
    };

    // It takes a turn at least, in which the kernel is asked, too: what never ends being ready waits for
    // the others.
    bool suspend(promise_base& p) noexcept {
        runner_ = &p;
        if (!begin(p)) return true;
        demultiplexer& demux = demultiplexer_of(home());
        ++demux.operations;
        if (set_.has_files() || demux.start(wait_)) {
            reactor_access::poll_soon(home());
            ready();
        } else {
            set_.waits(this);
        }
        return true;
    }
    void interrupt() noexcept override {
        reactor_access::poll_soon(home());
        if (end_early()) ready();
    }
    void acts_for(const watched_entry& e) noexcept override {
        enter(e.added_at);
        runner_->acts_for(e.added_at);
    }
    // True when it has ended; else the operation will complete.
    bool end_early() noexcept {
        if (std::exchange(asked_, true) || !demultiplexer_of(home()).cancel(wait_)) return false;
        set_.waits(nullptr);
        return true;
    }
    void completed() noexcept {
        set_.waits(nullptr);
        if (wait_.result == -ECANCELED && owner().cancel_requested()) {
            confirm_cancel();
        } else {
            ready_now().resume();
        }
    }

    descriptor_set& set_;
    poll_operation wait_;
    bool asked_ = false;  // to end early
    promise_base* runner_ = nullptr;
};

// A set that is run, from its begin to its end.
class running_set {
  public:
    running_set(descriptor_set& set, demultiplexer& in) : set_(set) {
        set_.refuse_elsewhere();
        if (!set_.begin_run()) {
            throw std::system_error(errc::busy, "fd_watch::run: another task runs it: once at a time");
        }
        try {
            descriptor_ = &set_descriptor::make(in, set_.open());
        } catch (...) {
            set_.end_run();
            throw;
        }
    }
    running_set(const running_set&) = delete;
    running_set& operator=(const running_set&) = delete;
    ~running_set() {
        descriptor_->close();
        set_.end_run();
    }
    set_awaiter ready() const noexcept { return {set_, *descriptor_}; }

  private:
    descriptor_set& set_;
    set_descriptor* descriptor_ = nullptr;
};

// The set outlives its watch, which a handler may destroy.
task<> run_set(std::shared_ptr<descriptor_set> set, bool until_empty) {
    if (set->closed()) co_return;
    const running_set on(*set, demultiplexer_of(*reactor::current()));
    while (!set->closed() && !(until_empty && set->size() == 0)) {
        co_await on.ready();
    }
}

}  // namespace

}  // namespace detail

fd_watch::fd_watch() : set_(std::make_shared<detail::descriptor_set>()) {}

fd_watch::~fd_watch() {
    if (set_->was_in_vain()) {
        detail::log(log_level::warning,
                    "an fd_watch goes that has never run, so that no handler was called: "
                    "its run() is to be awaited, beside the tasks that use it");
    }
    set_->close();
}

void fd_watch::add(int fd, fd_interest wanted, handler call, std::source_location where) {
    set_->add(fd, wanted, std::move(call), where);
}

void fd_watch::change(int fd, fd_interest wanted) { set_->change(fd, wanted); }

bool fd_watch::remove(int fd) noexcept { return set_->remove(fd); }

std::vector<watched_fd> fd_watch::remove_all() { return set_->remove_all(); }

std::vector<watched_fd> fd_watch::list() const { return set_->list(); }

task<> fd_watch::run() { return detail::run_set(set_, false); }

task<> fd_watch::run_until_empty() { return detail::run_set(set_, true); }

task<fd_readiness> fd_ready(int fd, fd_interest wanted) {
    if (wanted == fd_interest()) {
        throw std::invalid_argument(
            "fd_ready: nothing is to be waited for, so this would wait for ever; readable, "
            "for instance, is {.readable = true}");
    }
    fd_watch watch;
    fd_readiness found;
    watch.add(fd, wanted, [&](fd_readiness now) {
        found = now;
        watch.remove(fd);
    });
    co_await watch.run_until_empty();
    co_return found;
}

}  // namespace bight
