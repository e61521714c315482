#include <bight/net/caching_resolver.hpp>

#include "answer_cache.hpp"
#include "resolve.hpp"

#include <bight/core/reactor.hpp>

#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

namespace bight {

namespace {

using detail::answer_cache;
using detail::kept_answer;
using detail::question;

// Called in a handler.
void keep_error(answer_cache& cache, const question& q, const std::system_error& error,
                std::uint64_t asked_in) {
    // The others say that nobody was there to be asked.
    if (error.code() != resolver_errc::no_such_name) return;
    kept_answer none;
    none.error = std::current_exception();
    cache.keep(q, std::move(none), cache.options().negative_ttl, reactor::current()->now(), asked_in);
}

}  // namespace

caching_resolver::caching_resolver(resolver& asks, const caching_options& options)
    : asks_(asks), kept_(std::make_unique<answer_cache>(options)) {}
caching_resolver::~caching_resolver() = default;

void caching_resolver::clear() noexcept {
    home_.check("a caching_resolver");
    kept_->clear();
}

caching_statistics caching_resolver::statistics() const noexcept { return kept_->statistics(); }

task<resolved_host> caching_resolver::look_up(std::string host, address::family_type family) {
    home_.check("a caching_resolver");
    const reactor& here = *reactor::current();
    const question q{question::kind_type::host, static_cast<int>(family), detail::in_lower_case(host)};
    resolved_host found;
    if (const kept_answer* const kept = kept_->find(q, here.now())) {
        if (kept->error) std::rethrow_exception(kept->error);
        found = kept->host;
        if (found.ttl) found.ttl = kept->until - here.now();
        co_return found;
    }
    const std::uint64_t asked_in = kept_->generation();
    try {
        resolve_options options;
        options.family = family;
        found = co_await asks_.resolve(std::move(host), {}, options);
    } catch (const std::system_error& error) {
        keep_error(*kept_, q, error, asked_in);
        throw;
    }
    kept_answer answer;
    answer.host = found;
    kept_->keep(q, std::move(answer), found.ttl.value_or(kept_->options().default_ttl), here.now(), asked_in);
    co_return found;
}

task<std::string> caching_resolver::look_up_name(address of) {
    home_.check("a caching_resolver");
    const reactor& here = *reactor::current();
    const question q{question::kind_type::name_of_address, static_cast<int>(of.family()), of.host()};
    if (const kept_answer* const kept = kept_->find(q, here.now())) {
        if (kept->error) std::rethrow_exception(kept->error);
        co_return kept->name;
    }
    const std::uint64_t asked_in = kept_->generation();
    kept_answer answer;
    try {
        answer.name = co_await asks_.reverse(of);
    } catch (const std::system_error& error) {
        keep_error(*kept_, q, error, asked_in);
        throw;
    }
    std::string name = answer.name;
    kept_->keep(q, std::move(answer), kept_->options().default_ttl, here.now(), asked_in);
    co_return name;
}

}  // namespace bight
