// read_ahead: the reads of a buffered_reader.
#pragma once

#include <bight/core/detail/awaiter.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/detail/stream.hpp>
#include <bight/io/transport.hpp>

#include <cstddef>
#include <utility>

namespace bight::detail {

/// A read of who has told the transport that it reads ahead (`told`), so that all other reads are refused until
/// it says that it no longer does: also while what this one brought has not reached its task. Of who could not,
/// because another does, it is a read like any other, and refused.
class read_ahead : public read_request {
  protected:
    read_ahead(transport* from, mutable_buffer memory, bool told) noexcept
        : read_request(from, memory), told_(told) {}
    ~read_ahead() = default;
    bool suspend(promise_base& p) noexcept {
        if (!begin(p)) return true;
        if (may_begin(p.owner().home())) {
            const bool done = told_ ? to().start_read_ahead(*this) : to().start_read(*this);
            return done ? finish_now() : true;
        }
        set_refusal();
        return finish_now();
    }
    void throw_error() const {
        if (failed()) throw_read_error(error(), transport_if_any());
    }

  private:
    bool told_;
};

class [[nodiscard("co_await it"), gnu::warn_unused]] chunk_read_ahead final
    : public read_ahead,
      public awaiter_base<chunk_read_ahead> {
  public:
    chunk_read_ahead(transport* from, bool told) noexcept : read_ahead(from, mutable_buffer{}, told) {}
    chunk await_resume() {
        throw_error();
        return std::move(data);
    }

  private:
    friend awaiter_base<chunk_read_ahead>;
};

/// Into memory of the caller's, which is not empty.
class [[nodiscard("co_await it"), gnu::warn_unused]] memory_read_ahead final
    : public read_ahead,
      public awaiter_base<memory_read_ahead> {
  public:
    memory_read_ahead(transport* from, mutable_buffer memory, bool told) noexcept
        : read_ahead(from, memory, told) {}
    std::size_t await_resume() {
        throw_error();
        return count;
    }

  private:
    friend awaiter_base<memory_read_ahead>;
};

}  // namespace bight::detail
