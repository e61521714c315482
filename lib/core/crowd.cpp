#include "crowd.hpp"

#include "frame_lines.hpp"

#include <bight/core/detail/promise.hpp>
#include <bight/core/error.hpp>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <vector>

namespace bight::detail {

namespace {

constexpr std::size_t most_lines = 100;
constexpr std::size_t most_frames = 64;

}  // namespace

crowd::place& crowd::place_of(const std::source_location& where) {
    const key k(where.file_name(), where.line());
    const auto at = places_.find(k);
    if (at != places_.end()) return at->second;
    return places_.emplace(k, place{where, is_of_bight(where)}).first->second;
}

void crowd::add(const job& j) {
    ++tasks_;
    place* stands = nullptr;
    std::size_t frames = 0;
    for (const promise_base* f = j.innermost(); f && frames < most_frames; f = f->parent(), ++frames) {
        place& p = place_of(f->where());
        if (!stands || !p.of_bight) stands = &p;
        if (!p.of_bight) break;
    }
    if (stands) ++stands->tasks;
}

std::string crowd::take() && {
    if (tasks_ == 0) return {};
    std::vector<const place*> lines;
    for (const auto& [k, p] : places_) {
        if (p.tasks > 0) lines.push_back(&p);
    }
    const auto comes_first = [](const place* a, const place* b) {
        return std::make_tuple(b->tasks, std::string_view(a->where.file_name()), a->where.line()) <
               std::make_tuple(a->tasks, std::string_view(b->where.file_name()), b->where.line());
    };
    std::sort(lines.begin(), lines.end(), comes_first);
    std::string out = "and " + std::to_string(tasks_) + " more tasks, by where they stand:\n";
    for (std::size_t i = 0; i < std::min(lines.size(), most_lines); ++i) {
        out += "  " + std::to_string(lines[i]->tasks) + (lines[i]->of_bight ? " through " : " in ") +
               describe_location(lines[i]->where) + "\n";
    }
    if (lines.size() > most_lines) {
        out += "  … and some at " + std::to_string(lines.size() - most_lines) + " more lines\n";
    }
    return out;
}

}  // namespace bight::detail
