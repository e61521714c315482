// pipe_end_listener: who is told that a pipe from a child has ended.
#pragma once

namespace bight::detail {

/// Who wants to know when the transport of a pipe gives no more bytes. It is kept until then.
class pipe_end_listener {
  public:
    virtual void keep_for_pipe() noexcept = 0;
    /// Called once: its end, or an error, was read, or it was closed on this side. The transport has let go.
    virtual void pipe_has_ended() noexcept = 0;

  protected:
    ~pipe_end_listener() = default;
};

}  // namespace bight::detail
