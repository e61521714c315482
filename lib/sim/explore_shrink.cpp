#include "explore_search.hpp"

#include "world_state.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>

namespace bight::sim::detail {

std::string id_text(std::uint64_t id) {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(id));
    return digits;
}

fault_plan plan_part::of(const fault_plan& whole) const {
    fault_plan plan = whole;
    for (std::size_t i = 0; kinds && i < fault_kinds; ++i) {
        const auto f = static_cast<fault>(i);
        if (!kinds->contains(f)) plan.leave_out(f);
    }
    if (!only) return plan;
    return plan.allow_only({only->begin(), only->end()});
}

world_options plan_part::of(const world_options& whole) const {
    world_options options = whole;
    options.faults = of(whole.faults);
    if (personality) options.personality = *personality;
    return options;
}

bool plan_part::has(const std::vector<happened_fault>& happened) const {
    return std::all_of(happened.begin(), happened.end(), [this](const happened_fault& f) {
        return (!kinds || kinds->contains(f.kind)) &&
               (!only || std::find(only->begin(), only->end(), f.id) != only->end());
    });
}

std::string plan_part::to_text() const {
    std::string text;
    const auto add_list = [&](const char* name, const auto& each) {
        text += text.empty() ? "" : ":";
        text += name;
        bool first = true;
        each([&](std::string_view item) {
            text += std::exchange(first, false) ? "" : ",";
            text += item;
        });
    };
    if (personality) add_list("personality=", [&](const auto& add) { add(name_of(*personality)); });
    if (kinds && !(only && only->empty())) {
        add_list("kinds=", [&](const auto& add) {
            for (const fault f : *kinds) add(name_of(f));
        });
    }
    if (only) {
        add_list("faults=", [&](const auto& add) {
            for (const std::uint64_t n : *only) add(id_text(n));
        });
    }
    return text;
}

plan_part plan_part::parse(std::string_view text) {
    plan_part part;
    const auto next = [](std::string_view& from, char separator) {
        const std::size_t at = from.find(separator);
        const std::string_view item = from.substr(0, at);
        from = at == std::string_view::npos ? std::string_view() : from.substr(at + 1);
        return item;
    };
    while (!text.empty()) {
        std::string_view list = next(text, ':');
        const std::string_view name = next(list, '=');
        if (name == "kinds") {
            part.kinds.emplace();
            while (!list.empty()) {
                const std::string_view item = next(list, ',');
                std::size_t i = 0;
                while (i < fault_kinds && name_of(static_cast<fault>(i)) != item) ++i;
                if (i == fault_kinds)
                    throw std::invalid_argument("no kind of fault is called \"" + std::string(item) + "\"");
                part.kinds->insert(static_cast<fault>(i));
            }
        } else if (name == "faults") {
            part.only.emplace();
            while (!list.empty()) {
                const std::string_view item = next(list, ',');
                std::uint64_t n = 0;
                const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), n, 16);
                if (error != std::errc() || end != item.data() + item.size()) {
                    throw std::invalid_argument("a fault is given by up to 16 hexadecimal digits, unlike \"" +
                                                std::string(item) + "\"");
                }
                part.only->push_back(n);
            }
        } else if (name == "personality") {
            part.personality = personality_called(list);
            if (!part.personality) {
                throw std::invalid_argument("no personality is called \"" + std::string(list) + "\"");
            }
        } else {
            throw std::invalid_argument("a plan has personality=, kinds= and faults=, and no \"" +
                                        std::string(name) + "\"");
        }
    }
    return part;
}

namespace {

using clock = std::chrono::steady_clock;

constexpr auto time_between_news = std::chrono::seconds(2);

class shrinker {
  public:
    shrinker(world_test& test, std::uint64_t seed, const explore_options& options, const attempt& failure)
        : test_(test),
          seed_(seed),
          options_(options),
          signature_(failure.signature()),
          kind_(failure.kind),
          kinds_(kinds_of(failure)),
          happened_(ids_of(failure)),
          faults_before_(happened_.size()),
          end_(saturating_add(clock::now(), options.limit_for_shrinking)) {}

    shrink_result run() {
        result_.seed = seed_;
        try_without_personality();
        if (happened_.empty() || try_only({}) || try_other_seeds()) return std::move(result_);
        if (!try_single_kinds()) switch_kinds_off();
        find_last();
        drop_single_ones();
        return std::move(result_);
    }

  private:
    // Who waits sees that it goes on.
    void tell_progress() {
        const auto now = clock::now();
        if (now - told_ < time_between_news) return;
        told_ = now;
        const auto passed = std::chrono::duration_cast<std::chrono::seconds>(now - begun_).count();
        print(options_, "bight: " + options_.name + ": seed " + std::to_string(seed_) + " fails (" +
                            std::string(name_of(kind_)) + "); shrinking for " + std::to_string(passed) +
                            " s: " + std::to_string(result_.runs) + " runs, " +
                            std::to_string(happened_.size()) + " of " + std::to_string(faults_before_) +
                            " faults left\n");
    }

    bool out_of_patience() {
        tell_progress();
        if (result_.runs < options_.most_shrinking_runs && clock::now() < end_) return false;
        result_.cut_short = true;
        return true;
    }

    // Detecting a hang takes the whole limit, so it is shortened for hangs.
    duration limit_for_each() const {
        constexpr duration most = std::chrono::seconds(5);
        return kind_ == failure_kind::hang ? std::min(options_.limit_for_each, most)
                                           : options_.limit_for_each;
    }

    // The personality of the failing seed is kept, also for other seeds, unless the failure does not need it.
    void try_without_personality() {
        if (options_.world.personality == sim::personality::plain) return;
        result_.part.personality = personality_of(seed_, options_.world);
        if (result_.part.personality == sim::personality::plain) return;
        plan_part plain = result_.part;
        plain.personality = sim::personality::plain;
        try_part(std::move(plain));
    }

    // Tries a smaller part, and keeps it if the run still fails in the same way.
    bool try_part(plan_part part) {
        if (out_of_patience()) return false;
        ++result_.runs;
        const world_options world = part.of(options_.world);
        child_options how;
        how.limit = limit_for_each();
        // A run that does not end by itself reports its faults only with details.
        how.with_details = kind_ == failure_kind::hang || kind_ == failure_kind::crash;
        const attempt a = run_in_child(test_, seed_, world, how);
        if (a.signature() != signature_ || !part.has(a.happened)) return false;
        happened_ = ids_of(a);
        result_.part = std::move(part);
        if (result_.part.only) result_.part.only = happened_;
        return true;
    }
    bool try_only(std::vector<std::uint64_t> kept) {
        plan_part part = result_.part;
        part.only = std::move(kept);
        return try_part(std::move(part));
    }
    static std::vector<std::uint64_t> ids_of(const attempt& a) {
        std::vector<std::uint64_t> ids;
        for (const happened_fault& f : a.happened) ids.push_back(f.id);
        return ids;
    }

    static std::set<fault> kinds_of(const attempt& a) {
        std::set<fault> kinds;
        for (const happened_fault& f : a.happened) kinds.insert(f.kind);
        return kinds;
    }

    // A race that needs no fault shows itself in another order of events: in another seed without faults. The
    // failing seed has only one order, which its faults have influenced.
    bool try_other_seeds() {
        explore_options others = options_;
        plan_part none;
        none.only.emplace();
        none.personality = result_.part.personality;
        others.world = none.of(options_.world);
        others.run_twice_each = 0;
        others.limit_for_each = limit_for_each();
        const std::uint64_t most = options_.most_shrinking_runs / 2;
        for (std::uint64_t tried = 0; tried < most && !out_of_patience();) {
            others.first_seed = options_.first_seed + tried;
            others.seeds = most - tried;
            others.limit_for_all = std::max<duration>(end_ - clock::now(), std::chrono::milliseconds(1));
            const search_result found = search(test_, others);
            result_.runs += static_cast<unsigned>(found.seeds);
            if (!found.failure) return false;
            tried += found.seeds;
            if (found.failure->signature() != signature_ || !none.has(found.failure->happened)) continue;
            result_.seed = others.first_seed + found.seeds - 1;
            result_.part = std::move(none);
            return true;
        }
        return false;
    }

    // Of the kinds of faults that suffice alone, keeps the one with the fewest faults.
    bool try_single_kinds() {
        std::optional<plan_part> best;
        std::vector<std::uint64_t> fewest;
        for (const fault f : kinds_) {
            plan_part part;
            part.kinds = {f};
            part.personality = result_.part.personality;
            if (!try_part(std::move(part)) || (best && happened_.size() >= fewest.size())) continue;
            best = result_.part;
            fewest = happened_;
        }
        if (!best) return false;
        result_.part = std::move(*best);
        happened_ = std::move(fewest);
        return true;
    }

    void switch_kinds_off() {
        for (const fault f : kinds_) {
            plan_part part = result_.part;
            if (!part.kinds) part.kinds = kinds_;
            part.kinds->erase(f);
            try_part(std::move(part));
        }
    }

    // Up to the last fault that is needed a run is the same without the later ones: finds that fault by
    // bisection.
    void find_last() {
        const std::vector<std::uint64_t> all = happened_;
        const auto first = [&all](std::size_t count) {
            return std::vector(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
        };
        std::size_t low = 0;  // this many are too few
        std::size_t high = all.size();
        while (high - low > 1) {
            const std::size_t middle = low + (high - low) / 2;
            (try_only(first(middle)) ? high : low) = middle;
        }
        if (!result_.part.only) try_only(first(high));
    }

    // Delta debugging (Zeller, Hildebrandt: "Simplifying and isolating failure-inducing input", 2002), by
    // removing faults.
    void drop_single_ones() {
        if (!result_.part.only) return;
        std::size_t size = std::max<std::size_t>(1, result_.part.only->size() / 2);
        for (;;) {
            bool any = false;
            for (std::size_t at = 0; at < result_.part.only->size();) {
                std::vector<std::uint64_t> kept = *result_.part.only;
                const auto from = kept.begin() + static_cast<std::ptrdiff_t>(at);
                kept.erase(from, from + static_cast<std::ptrdiff_t>(std::min(size, kept.size() - at)));
                if (kept.empty() || !try_only(std::move(kept))) {
                    at += size;
                } else {
                    any = true;
                }
            }
            if (size == 1 && !any) return;
            if (result_.cut_short) return;
            size = std::max<std::size_t>(1, size / 2);
        }
    }

    world_test& test_;
    const std::uint64_t seed_;
    const explore_options& options_;
    const std::string signature_;
    const failure_kind kind_;
    const std::set<fault> kinds_;          ///< the kinds that happened in the failure
    std::vector<std::uint64_t> happened_;  ///< in the smallest run with the same failure
    const std::size_t faults_before_;
    const clock::time_point begun_ = clock::now();
    clock::time_point told_ = begun_;
    const clock::time_point end_;
    shrink_result result_;
};

}  // namespace

shrink_result shrink(world_test& test, std::uint64_t seed, const explore_options& options,
                     const attempt& failure) {
    return shrinker(test, seed, options, failure).run();
}

}  // namespace bight::sim::detail
