// writing_turn: the turn of a task whose message is several writes.
#pragma once

#include "write_in_turn.hpp"

#include <bight/core/detail/awaiter.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>

namespace bight::detail {

/// Awaits the turn, and keeps it until it is destroyed: writes that are a part of it follow each other,
/// others wait, or are refused with errc::busy, and a close waits.
class [[nodiscard("co_await it"), gnu::warn_unused]] writing_turn final : public write_in_turn,
                                                                          public awaiter_base<writing_turn> {
  public:
    /// `to` must outlive it.
    explicit writing_turn(transport& to) noexcept : write_in_turn(&to) {}
    writing_turn(const writing_turn&) = delete;
    writing_turn& operator=(const writing_turn&) = delete;
    ~writing_turn() {
        if (has_it_) to().end_write();
    }
    bool only_has_turn() const noexcept override { return has_it_; }

  private:
    friend awaiter_base<writing_turn>;
    bool start() noexcept override { return has_it_ = true; }
    std::size_t size() const noexcept override { return 0; }
    void end_turn() noexcept override {
        if (!has_it_) write_in_turn::end_turn();
    }

    bool has_it_ = false;
};

}  // namespace bight::detail
