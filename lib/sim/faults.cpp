#include <bight/sim/faults.hpp>

namespace bight::sim {

std::string_view name_of(fault f) noexcept {
    switch (f) {
        case fault::short_read: return "short_read";
        case fault::short_write: return "short_write";
        case fault::small_segment: return "small_segment";
        case fault::slow_completion: return "slow_completion";
        case fault::late_cancel: return "late_cancel";
        case fault::false_readiness: return "false_readiness";
        case fault::interrupted_wait: return "interrupted_wait";
        case fault::reset: return "reset";
        case fault::silence: return "silence";
        case fault::no_buffers: return "no_buffers";
        case fault::no_memory: return "no_memory";
        case fault::accept_error: return "accept_error";
        case fault::refused_connect: return "refused_connect";
        case fault::lost_connect: return "lost_connect";
        case fault::slow_packet: return "slow_packet";
        case fault::lost_datagram: return "lost_datagram";
        case fault::repeated_datagram: return "repeated_datagram";
        case fault::late_datagram: return "late_datagram";
        case fault::cut: return "cut";
        case fault::unknown_name: return "unknown_name";
        case fault::stale_name: return "stale_name";
        case fault::slow_name: return "slow_name";
        case fault::slow_thread: return "slow_thread";
        case fault::late_timers: return "late_timers";
        case fault::slow_turn: return "slow_turn";
        case fault::pause: return "pause";
        case fault::crash: return "crash";
        case fault::wall_jump: return "wall_jump";
        case fault::small_window: return "small_window";
        case fault::narrow_link: return "narrow_link";
        case fault::user: return "user";
        case fault::disk_full: return "disk_full";
        case fault::disk_error: return "disk_error";
        case fault::slow_disk: return "slow_disk";
        case fault::torn_write: return "torn_write";
        case fault::lost_changes: return "lost_changes";
        case fault::no_process: return "no_process";
        case fault::slow_start: return "slow_start";
        case fault::killed_child: return "killed_child";
    }
    return "unknown";
}

bool is_variation(fault f) noexcept {
    switch (f) {
        case fault::short_read:
        case fault::short_write:
        case fault::small_segment:
        case fault::slow_completion:
        case fault::late_cancel:
        case fault::false_readiness:
        case fault::interrupted_wait:
        case fault::late_timers:
        case fault::slow_turn:
        case fault::small_window: return true;
        default: return false;
    }
}

fault_plan fault_plan::without_harm() const {
    fault_plan rest = *this;
    for (std::size_t i = 0; i < fault_kinds; ++i) {
        const auto f = static_cast<fault>(i);
        if (!is_variation(f)) rest.set(f, 0);
    }
    return rest;
}

bool fault_plan::does_harm() const noexcept {
    for (std::size_t i = 0; i < fault_kinds; ++i) {
        const auto f = static_cast<fault>(i);
        if (!is_variation(f) && probability(f) > 0) return true;
    }
    return false;
}

fault_plan fault_plan::storm() {
    fault_plan plan;
    plan.set(fault::short_read, 0.3)
        .set(fault::short_write, 0.05)
        .set(fault::small_segment, 0.3)
        .set(fault::slow_completion, 0.02)
        .set(fault::late_cancel, 0.2)
        .set(fault::false_readiness, 0.02)
        .set(fault::interrupted_wait, 0.01)
        .set(fault::reset, 0.005)
        .set(fault::silence, 0.002)
        .set(fault::no_buffers, 0.002)
        .set(fault::no_memory, 0.001)
        .set(fault::accept_error, 0.1)
        .set(fault::refused_connect, 0.02)
        .set(fault::lost_connect, 0.05)
        .set(fault::slow_packet, 0.02)
        .set(fault::lost_datagram, 0.05)
        .set(fault::repeated_datagram, 0.02)
        .set(fault::late_datagram, 0.05)
        .set(fault::cut, 0.002)
        .set(fault::unknown_name, 0.02)
        .set(fault::stale_name, 0.02)
        .set(fault::slow_name, 0.05)
        .set(fault::slow_thread, 0.02)
        .set(fault::late_timers, 0.02)
        .set(fault::slow_turn, 0.05)
        .set(fault::pause, 0.002)
        .set(fault::crash, 0.001)
        .set(fault::wall_jump, 0.001)
        .set(fault::small_window, 0.02)
        .set(fault::narrow_link, 0.002)
        .set(fault::user, 1)
        .set(fault::disk_full, 0.005)
        .set(fault::disk_error, 0.002)
        .set(fault::slow_disk, 0.01)
        .set(fault::torn_write, 0.5)
        .set(fault::lost_changes, 0.01)
        .set(fault::no_process, 0.02)
        .set(fault::slow_start, 0.05)
        .set(fault::killed_child, 0.005);
    return plan;
}

}  // namespace bight::sim
