// What a demultiplexer keeps in an operation.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>

namespace bight::detail {

/// Memory for a structure that only the demultiplexer knows which carries the operation out: a header for the
/// kernel, an OVERLAPPED, the buffers of an accept. Its size is one for all demultiplexers of a system; the
/// one whose structure is larger does not compile.
template <std::size_t Size>
class demultiplexer_space {
  public:
    /// Makes a T with its initial values; nothing is destroyed.
    template <class T>
    T& make() noexcept {
        check<T>();
        return *::new (static_cast<void*>(bytes_)) T{};
    }
    /// The one that was made.
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
