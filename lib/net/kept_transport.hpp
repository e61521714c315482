// kept_transport: the transport of a stream that may be moved away, and end elsewhere.
#pragma once

#include <bight/io/stream.hpp>
#include <bight/io/transport.hpp>

namespace bight::detail {

class kept_transport {
  public:
    explicit kept_transport(stream& of) noexcept : of_(of.lower()) { of_.retain(); }
    kept_transport(const kept_transport&) = delete;
    kept_transport& operator=(const kept_transport&) = delete;
    ~kept_transport() { of_.release(); }
    transport* operator->() const noexcept { return &of_; }
    transport& operator*() const noexcept { return of_; }

  private:
    transport& of_;
};

}  // namespace bight::detail
