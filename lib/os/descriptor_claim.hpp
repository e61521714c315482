// descriptor_claim: what holds as long as a transport has its descriptor.
#pragma once

namespace bight::detail {

/// Destroyed by its transport just before the descriptor is closed, once, whatever closes it; also in a
/// forked child, where it must not undo what the parent still relies on.
class descriptor_claim {
  public:
    descriptor_claim() noexcept = default;
    descriptor_claim(const descriptor_claim&) = delete;
    descriptor_claim& operator=(const descriptor_claim&) = delete;
    virtual ~descriptor_claim() = default;
};

}  // namespace bight::detail
