#include "write_in_turn.hpp"

#include <bight/core/detail/promise.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <string>

namespace bight::detail {

bool write_in_turn::suspend(promise_base& p) noexcept {
    begun = false;
    if (!begin(p)) return true;
    if (!may_begin(home())) {
        set_refusal();
        return finish_now();
    }
    if (part_of_) {
        to().pass_turn(*this);
        return has_answer() ? finish_now() : true;
    }
    const std::error_code claimed = to().claim_writer(*this);
    if (!claimed) return has_answer() ? finish_now() : true;
    if (claimed == errc::busy) return true;  // writer_free
    set_error(claimed);
    return finish_now();
}

// It is the stream's writer. The stream may have been aborted while this was in line.
bool write_in_turn::has_answer() noexcept {
    stage_ = stage::writing;
    if (!to().is_open()) {
        set_error(to().why_closed());
    } else {
        to().forgive();
        const std::size_t whole = size();
        if (!start()) {
            to().write_waits(whole);
            return false;  // the transport answers
        }
    }
    end_turn();
    return true;
}

void write_in_turn::end_turn() noexcept {
    if (!part_of_) {
        to().end_write();
        return;
    }
    if (!failed()) to().has_written();
    to().pass_turn(*part_of_);
}

// Queued, so that the calls of many writers do not nest.
void write_in_turn::writer_free() noexcept {
    stage_ = stage::called_back;
    reactor_access::schedule(home(), *this);
}

void write_in_turn::run() noexcept {
    if (stage_ == stage::cancelled) {
        set_error(errc::aborted);  // so that it does not count as written
        end_turn();
        confirm_cancel();
    } else if (stage_ != stage::called_back || has_answer()) {
        write_request::run();
    }
}

void write_in_turn::cancel() noexcept {
    switch (stage_) {
        case stage::in_line:
            to().leave_line(*this);
            confirm_cancel();
            break;
        case stage::called_back: stage_ = stage::cancelled; break;
        default: write_request::cancel(); break;
    }
}

void write_in_turn::describe(std::string& out) const {
    if (stage_ == stage::in_line) out += "the end of the writes before it: ";
    write_request::describe(out);
}

}  // namespace bight::detail
