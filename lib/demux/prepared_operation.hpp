// prepared_operation: an operation of io_uring that a user prepares.
#pragma once

#include "operation.hpp"

#include <cstdint>

struct io_uring_sqe;

namespace bight::detail {

/// An operation of kind prepared, without a descriptor; only where demultiplexer::takes_prepared(). Its
/// result is that of its first completion.
class prepared_operation : public operation {
  public:
    std::uint32_t completion_flags = 0;

    /// Fills in an entry that is zero, but for its user_data. Called by demultiplexer::start.
    virtual void prepare(io_uring_sqe& entry) noexcept = 0;

  protected:
    ~prepared_operation() = default;
};

}  // namespace bight::detail
