// demultiplexer_space: memory in an operation for the demultiplexer's own data.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>

namespace bight::detail {

/// Memory for a structure that only the demultiplexer that carries out the operation knows: a header for the
/// kernel, an OVERLAPPED, the buffers of an accept. The size is the same for all demultiplexers of a system;
/// a structure that is larger does not compile.
template <std::size_t Size>
class demultiplexer_space {
  public:
    /// Makes a T with its initial values. No destructor is ever called.
    template <class T>
    T& make() noexcept {
        check<T>();
        return *::new (static_cast<void*>(bytes_)) T{};
    }
    /// The T that was made.
    template <class T>
    T& as() noexcept {
        check<T>();
        return *std::launder(reinterpret_cast<T*>(bytes_));
    }

  private:
    template <class T>
    static constexpr void check() noexcept {
        static_assert(sizeof(T) <= Size && alignof(T) <= alignof(std::max_align_t));
        static_assert(std::is_trivially_destructible_v<T>);
    }
    alignas(std::max_align_t) std::byte bytes_[Size];
};

}  // namespace bight::detail
