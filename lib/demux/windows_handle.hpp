// owned_handle: a HANDLE that is closed when its owner goes.
#pragma once

#include "native_handle.hpp"

#include <windows.h>

#include <utility>

namespace bight::detail {

/// Move-only. Both of the values by which calls of Windows say that there is none are none.
class owned_handle {
  public:
    owned_handle() noexcept = default;
    explicit owned_handle(HANDLE handle) noexcept
        : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
    owned_handle(owned_handle&& other) noexcept : handle_(other.release()) {}
    owned_handle& operator=(owned_handle&& other) noexcept {
        if (this != &other) {
            reset();
            handle_ = other.release();
        }
        return *this;
    }
    ~owned_handle() { reset(); }

    explicit operator bool() const noexcept { return handle_ != nullptr; }
    HANDLE get() const noexcept { return handle_; }
    HANDLE release() noexcept { return std::exchange(handle_, nullptr); }
    /// Gives it up, for a descriptor.
    native_handle release_native() noexcept {
        return handle_ ? reinterpret_cast<native_handle>(release()) : invalid_handle;
    }
    void reset() noexcept {
        if (handle_) ::CloseHandle(release());
    }

  private:
    HANDLE handle_ = nullptr;
};

}  // namespace bight::detail
