// register_history, map_history: check that a register or a map is linearizable.
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/export.hpp>
#include <bight/sim/invariant.hpp>
#include <bight/sim/world.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace BIGHT_EXPORT bight {
namespace sim {

/// The search through the possible orders of a history's calls took too many steps and has no result. Make
/// the history shorter, let fewer of its calls overlap or end with an unknown outcome, or allow more steps.
class undecided : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

namespace detail {

/// A call on a register. Values are represented by numbers.
struct register_call {
    enum class kind : std::uint8_t { read, write, exchange };
    enum class outcome : std::uint8_t { unknown, ended, refused };
    static constexpr std::uint64_t never = ~std::uint64_t{0};

    kind what = kind::read;
    outcome ended_as = outcome::unknown;
    bool exchanged = false;    ///< the answer to an exchange
    std::size_t value = 0;     ///< the value read, or the value to be written
    std::size_t expected = 0;  ///< the value that an exchange expects
    std::uint64_t begun = 0;   ///< a counter, since several events may have the same time
    std::uint64_t ended = never;
    duration begun_at{};
    duration ended_at{};
    std::string by;
};

/// Describes what is wrong; empty when nothing is. Throws undecided.
std::string judge(const std::vector<register_call>& calls, std::size_t initial,
                  const std::vector<std::string>& values, std::size_t most_steps);

}  // namespace detail

/// The calls of clients on one register, and their answers. Value must be copyable and comparable (==).
///
///     auto& calls = w.own<bight::sim::register_history<int>>(w, 0);
///     …
///     auto write = calls.write("alice", 5);        // just before the request
///     co_await peer.write("SET 5\r\n");
///     auto answer = co_await lines.next();
///     if (answer == "OK") write.returned();        // as soon as the answer is there
///     …
///     calls.check();                               // when all is over
///
/// A call without an answer (after a time-out, a reset connection or a crash of the client) is left without
/// one: it may take effect at any time after it began, or never. A call that the server has certainly not
/// carried out is marked `refused`.
///
/// The history is linearizable when for each answered call there is a moment between its beginning and its
/// end at which it takes effect, such that all answers are those of a register that executes one call at a
/// time (Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990). The
/// search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993), with Lowe's memory of
/// visited states ("Testing for linearizability", 2017). Thread: the world's.
template <class Value>
class register_history {
  public:
    explicit register_history(world& w, Value initial = {}) : world_(w) { initial_ = number_of(initial); }
    register_history(const register_history&) = delete;
    register_history& operator=(const register_history&) = delete;

    /// Calls that have begun. The history must outlive them. A call whose object is destroyed stays without
    /// an answer.
    class reading {
      public:
        void returned(const Value& v) {
            of_.calls_[at_].value = of_.number_of(v);
            of_.end(at_, detail::register_call::outcome::ended);
        }

      private:
        friend class register_history;
        reading(register_history& of, std::size_t at) noexcept : of_(of), at_(at) {}
        register_history& of_;
        std::size_t at_;
    };
    class writing {
      public:
        void returned() { of_.end(at_, detail::register_call::outcome::ended); }
        void refused() { of_.end(at_, detail::register_call::outcome::refused); }

      private:
        friend class register_history;
        writing(register_history& of, std::size_t at) noexcept : of_(of), at_(at) {}
        register_history& of_;
        std::size_t at_;
    };
    class exchanging {
      public:
        /// `exchanged`: whether the value was as expected, and has been replaced.
        void returned(bool exchanged) {
            of_.calls_[at_].exchanged = exchanged;
            of_.end(at_, detail::register_call::outcome::ended);
        }
        void refused() { of_.end(at_, detail::register_call::outcome::refused); }

      private:
        friend class register_history;
        exchanging(register_history& of, std::size_t at) noexcept : of_(of), at_(at) {}
        register_history& of_;
        std::size_t at_;
    };

    [[nodiscard]] reading read(std::string by) {
        return {*this, begin(detail::register_call::kind::read, std::move(by), initial_, initial_)};
    }
    [[nodiscard]] writing write(std::string by, const Value& v) {
        return {*this, begin(detail::register_call::kind::write, std::move(by), number_of(v), initial_)};
    }
    /// Writes `desired` if the value is `expected` (compare and swap).
    [[nodiscard]] exchanging exchange(std::string by, const Value& expected, const Value& desired) {
        const std::size_t from = number_of(expected);
        return {*this, begin(detail::register_call::kind::exchange, std::move(by), number_of(desired), from)};
    }

    /// How many calls have begun.
    std::size_t size() const noexcept { return calls_.size(); }

    /// Throws invariant_broken when the history is not linearizable; the message shows the calls up to the
    /// point where every order fails, and those that would come next. Throws `undecided` after `most_steps`
    /// steps.
    void check(std::size_t most_steps = 1'000'000) const {
        const std::string wrong = judge(most_steps);
        if (!wrong.empty()) throw invariant_broken("the register is not linearizable: " + wrong);
    }
    /// The same as text; empty when the history is linearizable.
    std::string judge(std::size_t most_steps) const {
        std::vector<std::string> texts;
        texts.reserve(values_.size());
        for (const Value& v : values_) texts.push_back(detail::text_of(v));
        return detail::judge(calls_, initial_, texts, most_steps);
    }

  private:
    std::size_t number_of(const Value& v) {
        for (std::size_t i = 0; i < values_.size(); ++i) {
            if (values_[i] == v) return i;
        }
        values_.push_back(v);
        return values_.size() - 1;
    }
    std::size_t begin(detail::register_call::kind what, std::string by, std::size_t value,
                      std::size_t expected) {
        detail::register_call& c = calls_.emplace_back();
        c.what = what;
        c.by = std::move(by);
        c.value = value;
        c.expected = expected;
        c.begun = ++moment_;
        c.begun_at = world_.elapsed();
        return calls_.size() - 1;
    }
    void end(std::size_t at, detail::register_call::outcome as) {
        detail::register_call& c = calls_[at];
        if (c.ended_as != detail::register_call::outcome::unknown) {
            throw std::logic_error("a call of " + c.by + " ends a second time: the test is wrong");
        }
        c.ended_as = as;
        c.ended = ++moment_;
        c.ended_at = world_.elapsed();
    }

    world& world_;
    std::size_t initial_ = 0;
    std::uint64_t moment_ = 0;
    std::vector<Value> values_;
    std::vector<detail::register_call> calls_;
};

/// The same for a map. Each key is a separate register, which has a value or none: the whole history is
/// linearizable if and only if that of each key is (linearizability is a local property: Herlihy and Wing),
/// and this is much faster to check. Key must be ordered.
///
///     auto put = calls[key].write("alice", "red");
///     auto get = calls[key].read("bob");               // get.returned(std::nullopt): there is none
///     auto erase = calls[key].write("alice", std::nullopt);
///     auto insert = calls[key].exchange("bob", std::nullopt, "blue");    // if there is none
template <class Key, class Value>
class map_history {
  public:
    /// `initial` is the map at the beginning.
    explicit map_history(world& w, std::map<Key, Value> initial = {})
        : world_(w), initial_(std::move(initial)) {}

    register_history<std::optional<Value>>& operator[](const Key& key) {
        const auto at = keys_.find(key);
        if (at != keys_.end()) return at->second;
        const auto first = initial_.find(key);
        return keys_
            .try_emplace(key, world_, first == initial_.end() ? std::nullopt : std::optional(first->second))
            .first->second;
    }

    /// As for a register; `most_steps` applies to each key.
    void check(std::size_t most_steps = 1'000'000) const {
        for (const auto& [key, of_key] : keys_) {
            const std::string wrong = of_key.judge(most_steps);
            if (wrong.empty()) continue;
            throw invariant_broken("the map is not linearizable at " + detail::text_of(key) + ": " + wrong);
        }
    }

  private:
    world& world_;
    const std::map<Key, Value> initial_;
    std::map<Key, register_history<std::optional<Value>>> keys_;
};

}  // namespace sim
}  // namespace bight
