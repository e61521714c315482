// Implementation of bight/sync/watch.hpp.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/result.hpp>
#include <bight/core/task.hpp>
#include <bight/sync/detail/publication.hpp>

#include <concepts>
#include <system_error>
#include <type_traits>
#include <utility>

namespace BIGHT_EXPORT bight {

namespace detail {

/// Throws std::system_error (errc::busy): a watch is changed from within a change of itself.
[[noreturn]] void throw_changing();

template <class T>
class watched final : public publication, public pooled {
  public:
    template <class... As>
    explicit watched(As&&... from) : publication("a watch"), value_(std::forward<As>(from)...) {}
    ~watched() = default;

    const T& value() const noexcept { return value_; }

    /// The old value is destroyed after the new one is in place: its destructor may use the watch.
    template <class U>
    void set(U&& value) {
        if constexpr (std::is_constructible_v<T, U&&> && std::is_nothrow_swappable_v<T>) {
            T next(std::forward<U>(value));
            check_unchanging();
            using std::swap;
            swap(value_, next);
            publish();
        } else {
            const changing now(*this);
            value_ = std::forward<U>(value);
            publish();
        }
    }
    template <class F>
    bool update(F& change) {
        const changing now(*this);
        if constexpr (std::is_void_v<std::invoke_result_t<F&, T&>>) {
            change(value_);
        } else {
            const bool changed = change(value_);
            if (!changed) return false;
        }
        publish();
        return true;
    }

  private:
    /// Marks that user code is changing the value in place.
    class changing {
      public:
        explicit changing(watched& w) : flag_(w.changing_) {
            w.check_unchanging();
            flag_ = true;
        }
        changing(const changing&) = delete;
        changing& operator=(const changing&) = delete;
        ~changing() { flag_ = false; }

      private:
        bool& flag_;
    };
    void check_unchanging() const {
        if (changing_) throw_changing();
    }

    T value_;
    bool changing_ = false;
};

template <class T>
class watch_awaiter;

}  // namespace detail

}  // namespace bight
