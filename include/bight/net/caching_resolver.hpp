// caching_resolver: keeps the answers of another resolver for a while.
#pragma once

#include <bight/core/detail/thread_checker.hpp>
#include <bight/core/detail/timer.hpp>
#include <bight/core/export.hpp>
#include <bight/net/resolver.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

namespace BIGHT_EXPORT bight {

namespace detail {
class answer_cache;
}

/// Options of caching_resolver.
struct caching_options {
    /// How many answers it keeps at most; for one more, that which was asked for least recently goes. 0:
    /// none.
    std::size_t most_entries = 1000;
    /// How long it keeps answers that do not say how long (resolved_host::ttl), as those of getaddrinfo(3),
    /// and the names of addresses.
    duration default_ttl = std::chrono::seconds(30);
    /// How long it keeps any answer, whatever that says.
    duration longest_ttl = std::chrono::hours(1);
    /// How long it keeps that a name is not found.
    duration negative_ttl = std::chrono::seconds(5);
};
static_assert(std::is_trivially_destructible_v<caching_options>);  // see reactor_options

/// What a caching_resolver has done so far.
struct caching_statistics {
    std::uint64_t hits = 0;     ///< answers that were kept, also that there is none
    std::uint64_t misses = 0;   ///< look-ups by the other resolver
    std::uint64_t evicted = 0;  ///< answers that made room for others before their time
    std::size_t entries = 0;    ///< answers that are kept now, also those whose time is over
};

/// Keeps what another resolver finds, up to a bound, for as long as the answer says or the options do,
/// measured by the reactor's clock. That a name is not found (EAI_NONAME, EAI_NODATA of resolver_category)
/// is kept for a short time; other errors are not kept. An answer whose time is over is asked for again.
/// resolved_host::ttl is what is left of it.
///
///     bight::caching_resolver names(bight::system_resolver());
///     bight::connect_options options;
///     options.resolver = &names;
///
/// Thread: one reactor's; another thread's use is caught in debug builds.
class caching_resolver final : public resolver {
  public:
    /// `asks` must outlive it. Throws std::bad_alloc.
    explicit caching_resolver(resolver& asks, const caching_options& options = {});
    ~caching_resolver() override;

    /// Forgets all answers: for when the network has changed. Answers to look-ups that
    /// are under way are not kept.
    void clear() noexcept;
    caching_statistics statistics() const noexcept;

  protected:
    task<resolved_host> look_up(std::string host, address::family_type family) override;
    task<std::string> look_up_name(address of) override;

  private:
    resolver& asks_;
    const std::unique_ptr<detail::answer_cache> kept_;
    detail::thread_checker home_;
};

}  // namespace bight
