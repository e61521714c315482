// answer_cache: answers of look-ups, of which the least recently used go first.
#pragma once

#include <bight/core/detail/timer.hpp>
#include <bight/io/resolved_host.hpp>
#include <bight/net/caching_resolver.hpp>

#include <compare>
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <string>

namespace bight::detail {

struct question {
    enum class kind_type : unsigned char { host, name_of_address };
    kind_type kind;
    int family;
    std::string what;  // in lower case
    std::strong_ordering operator<=>(const question&) const = default;
};

/// What was found, or why nothing was.
struct kept_answer {
    resolved_host host;
    std::string name;
    std::exception_ptr error;
    time_point until{};
};

class answer_cache {
  public:
    explicit answer_cache(const caching_options& options) noexcept : options_(options) {}

    /// The answer that is valid now, or null; valid until the next call.
    const kept_answer* find(const question& q, time_point now);
    /// Throws std::bad_alloc, and changes nothing then. Keeps nothing where `ttl` is not above zero, and what
    /// was asked for in another generation.
    void keep(const question& q, kept_answer answer, duration ttl, time_point now, std::uint64_t asked_in);
    /// Begins another generation.
    void clear() noexcept;
    std::uint64_t generation() const noexcept { return generation_; }

    const caching_options& options() const noexcept { return options_; }
    caching_statistics statistics() const noexcept;

  private:
    struct entry;
    using entries = std::list<entry>;
    using index = std::map<question, entries::iterator>;
    struct entry {
        kept_answer answer;
        index::iterator at;
    };

    void remove(entries::iterator e) noexcept;

    const caching_options options_;
    entries by_use_;  // the most recently used first
    index by_question_;
    std::uint64_t generation_ = 0;
    caching_statistics counted_;
};

}  // namespace bight::detail
