// choose_event_port: selects the demultiplexer of a reactor.
#include "demultiplexer.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

// Those that the system may have. (macOS's poll tells no end of a peer behind unread bytes, and does no
// better than select.)
constexpr demultiplexer_choice choices[] = {
#if defined(__linux__)
    {demultiplexer_kind::io_uring, "io_uring"}, {demultiplexer_kind::epoll, "epoll"},
#endif
#if BIGHT_HAS_KQUEUE
    {demultiplexer_kind::kqueue, "kqueue"},
#endif
#if defined(__linux__)
    {demultiplexer_kind::poll, "poll"},
#endif
#if defined(_WIN32)
    {demultiplexer_kind::iocp, "iocp"}, {demultiplexer_kind::wfmo, "wfmo"},
#else
    {demultiplexer_kind::select, "select"},
#endif
};
// Those that may be asked for.
constexpr demultiplexer_choice known_demultiplexers[] = {
    {demultiplexer_kind::io_uring, "io_uring"}, {demultiplexer_kind::epoll, "epoll"},
    {demultiplexer_kind::kqueue, "kqueue"},     {demultiplexer_kind::poll, "poll"},
    {demultiplexer_kind::select, "select"},     {demultiplexer_kind::iocp, "iocp"},
    {demultiplexer_kind::wfmo, "wfmo"},
};

std::unique_ptr<demultiplexer> make(const demultiplexer_choice& c, reactor& home,
                                    const reactor_options& options, refusal& why) {
    switch (c.kind) {
#if BIGHT_HAS_IO_URING
        case demultiplexer_kind::io_uring: return make_uring(home, options, why);
#endif
#if defined(__linux__)
        case demultiplexer_kind::epoll: return make_epoll(home, why);
        case demultiplexer_kind::poll: return make_poll(home, why);
#endif
#if BIGHT_HAS_KQUEUE
        case demultiplexer_kind::kqueue: return make_kqueue(home, why);
#endif
#if defined(_WIN32)
        case demultiplexer_kind::iocp: return make_iocp(home, why);
        case demultiplexer_kind::wfmo: return make_wfmo(home, why);
#else
        case demultiplexer_kind::select: return make_select(home, why);
#endif
        default: break;
    }
    (void)options;
    why.text = "this bight was built without it (liburing 2.3 or later was not found)";
    return nullptr;
}

std::string list_available(reactor& home, const reactor_options& options) {
    std::string names;
    for (const demultiplexer_choice& c : choices) {
        refusal why;
        if (make(c, home, options, why)) names += (names.empty() ? "" : ", ") + std::string(c.name);
    }
    return names;
}

[[noreturn]] void refuse(const std::string& what, reactor& home, const reactor_options& options,
                         refusal why = {}) {
    throw refused_demultiplexer(what + "; available here: " + list_available(home, options), std::move(why));
}

// Logged once, not for each reactor: what is missing for one is missing for all.
void log_fallback_once(const std::string& why, std::string_view used) {
    static std::atomic<bool> logged{false};
    if (!logged.exchange(true)) log(log_level::warning, why + "; using " + std::string(used));
}

}  // namespace

std::span<const demultiplexer_choice> demultiplexer_choices() noexcept { return choices; }

refused_demultiplexer::refused_demultiplexer(const std::string& what, refusal because)
    : std::system_error(errc::unavailable, what), why(std::move(because)) {}

std::unique_ptr<event_port> choose_event_port(reactor& home, const reactor_options& options,
                                              std::string& why) {
    demultiplexer_kind wanted = options.demultiplexer;
    std::string asked_by = "reactor_options";
    const char* variable = std::getenv("BIGHT_REACTOR");
    if (wanted == demultiplexer_kind::automatic && variable && *variable) {
        asked_by = "the environment variable BIGHT_REACTOR";
        for (const demultiplexer_choice& c : known_demultiplexers) {
            if (std::string_view(variable) == c.name) wanted = c.kind;
        }
        if (wanted == demultiplexer_kind::automatic) {
            refuse("unknown demultiplexer \"" + std::string(variable) + "\" in " + asked_by +
                       " (sim:SEED is a simulated one)",
                   home, options);
        }
    }
    for (const demultiplexer_choice& c : choices) {
        if (wanted != demultiplexer_kind::automatic && wanted != c.kind) continue;
        refusal because;
        auto made = make(c, home, options, because);
        if (made) {
            made->blocks_for_bulk().limit(options.largest_receive, options.bulk_memory);
            if (!why.empty()) log_fallback_once(why, c.name);
            return made;
        }
        if (wanted == c.kind) {
            refuse(std::string(c.name) + ", asked for by " + asked_by + ", cannot be had: " + because.text,
                   home, options, because);
        }
        why += (why.empty() ? "" : "; ") + std::string(c.name) + " is not available: " + because.text;
    }
    for (const demultiplexer_choice& c : known_demultiplexers) {
        if (wanted == c.kind) {
            refuse(std::string(c.name) + ", asked for by " + asked_by + ", is none of this system's", home,
                   options);
        }
    }
    if (wanted != demultiplexer_kind::automatic) {
        refuse("reactor_options::demultiplexer is " + std::to_string(static_cast<int>(wanted)) +
                   ", which is no demultiplexer_kind",
               home, options);
    }
    throw std::system_error(errc::unavailable, why);
}

}  // namespace bight::detail
