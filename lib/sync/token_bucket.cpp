#include <bight/sync/token_bucket.hpp>

#include <bight/core/reactor.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>

namespace bight {

namespace {

time_point now_for(const char* what, std::source_location where) {
    const reactor* const here = reactor::current();
    if (!here) detail::throw_no_reactor(what, where);
    return here->now();
}

void check_rate(std::uint32_t rate, duration per) {
    if (rate > 0 && per > duration::zero()) return;
    throw std::invalid_argument("the rate of a token_bucket is zero or negative: no token would come");
}

}  // namespace

token_bucket::token_bucket(std::uint32_t rate, duration per, std::uint32_t burst)
    : per_(per), rate_(rate), burst_(burst), level_(0) {
    check_rate(rate, per);
    if (burst == 0)
        throw std::invalid_argument("the burst of a token_bucket is zero: it would keep no token");
    level_ = parts_of(burst);
}

// A full bucket keeps the fraction of a token that has come in the nanosecond in which it became full:
// otherwise one that waits for each token would lose it each time.
token_bucket::parts token_bucket::most_parts() const noexcept {
    const auto one = static_cast<std::uint64_t>(per_.count());
    return parts_of(burst_) + std::min<std::uint64_t>(rate_, one) - 1;
}

// The clock's epoch may be anything; a bucket is full until the first tokens are taken from it.
token_bucket::parts token_bucket::level_at(time_point now) const noexcept {
    if (level_ >= parts_of(burst_) || now <= filled_) return level_;
    const parts came = parts(rate_) * static_cast<std::uint64_t>((now - filled_).count());
    return std::min(most_parts(), level_ + came);
}

bool token_bucket::try_take_at(time_point now, std::uint32_t n) noexcept {
    const parts there = level_at(now);
    if (there < parts_of(n)) return false;
    level_ = there - parts_of(n);
    filled_ = std::max(filled_, now);
    return true;
}

bool token_bucket::try_take(std::uint32_t n, std::source_location where) {
    home_.check("a token_bucket");
    const time_point now = now_for("token_bucket::try_take", where);
    return waiters_.empty() && try_take_at(now, n);
}

void token_bucket::give_back(std::uint32_t n, std::source_location where) {
    home_.check("a token_bucket");
    const time_point now = now_for("token_bucket::give_back", where);
    level_ = std::min(most_parts(), level_at(now) + parts_of(n));
    filled_ = std::max(filled_, now);
    serve_waiters();
}

// Of a token that has come in part, the part stays.
void token_bucket::set_rate(std::uint32_t rate, duration per, std::source_location where) {
    check_rate(rate, per);
    home_.check("a token_bucket");
    const time_point now = now_for("token_bucket::set_rate", where);
    const parts level = level_at(now);
    const auto before = static_cast<std::uint64_t>(per_.count());
    const auto after = static_cast<std::uint64_t>(per.count());
    rate_ = rate;
    per_ = per;
    level_ = std::min(most_parts(), level / before * after + level % before * after / before);
    filled_ = std::max(filled_, now);
    serve_waiters();
}

std::uint32_t token_bucket::available(std::source_location where) const {
    home_.check("a token_bucket");
    const time_point now = now_for("token_bucket::available", where);
    return static_cast<std::uint32_t>(level_at(now) / static_cast<std::uint64_t>(per_.count()));
}

detail::take_tokens_awaiter token_bucket::take(std::uint32_t n) {
    if (n > burst_) {
        throw std::invalid_argument("token_bucket::take: " + std::to_string(n) +
                                    " tokens, and the bucket holds " + std::to_string(burst_) +
                                    " (its burst) at most");
    }
    return detail::take_tokens_awaiter{*this, n};
}

// Strictly from the front: when the first in the queue wants more than there are, those behind it wait too.
void token_bucket::grant(const reactor& home) noexcept {
    const time_point at = home.now();
    while (detail::take_tokens_awaiter* const next = waiters_.front()) {
        if (!try_take_at(at, next->wanted_)) return;
        remove(*next);
        next->ready();
    }
}

// To the nanosecond in which the tokens are complete.
void token_bucket::wait_for_front(reactor& home) noexcept {
    const detail::take_tokens_awaiter* const next = waiters_.front();
    if (!next) {
        detail::reactor_access::disarm(home, *this);
        return;
    }
    const parts missing = parts_of(next->wanted_) - level_;
    const parts needed = (missing + rate_ - 1) / rate_;
    const parts most = static_cast<std::uint64_t>(duration::max().count());
    const duration wait(static_cast<duration::rep>(std::min(needed, most)));
    detail::reactor_access::arm(home, *this, saturating_add(filled_, wait));
}

void token_bucket::add(detail::take_tokens_awaiter& w) noexcept {
    waiters_.push_back(w);
    ++waiting_;
}

void token_bucket::remove(detail::take_tokens_awaiter& w) noexcept {
    waiters_.remove(w);
    --waiting_;
}

void token_bucket::serve_waiters() noexcept {
    if (waiters_.empty()) return;
    reactor& home = waiters_.front()->home();
    grant(home);
    wait_for_front(home);
}

void token_bucket::expired() noexcept { serve_waiters(); }

namespace detail {

bool take_tokens_awaiter::suspend(promise_base& p) noexcept {
    if (!begin(p)) return true;
    bucket_->home_.check(home(), "a token_bucket");
    const bool first = bucket_->waiters_.empty();
    if (first && bucket_->try_take_at(home().now(), wanted_)) return finish_now();
    bucket_->add(*this);
    if (first) bucket_->wait_for_front(home());
    return true;
}

void take_tokens_awaiter::cancel() noexcept {
    const bool first = bucket_->waiters_.front() == this;
    bucket_->remove(*this);
    confirm_cancel();
    if (!first) return;
    bucket_->grant(home());
    bucket_->wait_for_front(home());
}

void take_tokens_awaiter::describe(std::string& out) const {
    out += "a token_bucket";
    if (wanted_ != 1) out += " (" + std::to_string(wanted_) + " tokens)";
}

}  // namespace detail
}  // namespace bight
