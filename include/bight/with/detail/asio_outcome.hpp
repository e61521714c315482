// asio_outcome: what the handler of an operation of Asio was given.
#pragma once

#include <bight/core/export.hpp>
#include <bight/core/result.hpp>

#include <asio/error.hpp>
#include <asio/error_code.hpp>

#include <exception>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The values behind the error, if there is one in front: as many as a task gives.
template <class... Values>
class asio_values {
  public:
    template <class... Args>
    explicit asio_values(Args&&... args) : values_(std::forward<Args>(args)...) {}
    auto take() {
        if constexpr (sizeof...(Values) == 1) {
            return std::move(std::get<0>(values_));
        } else if constexpr (sizeof...(Values) > 1) {
            return std::move(values_);
        }
    }

  private:
    std::tuple<Values...> values_;
};

/// Of an operation that cannot fail.
template <class... Values>
class asio_outcome {
  public:
    template <class... Args>
    explicit asio_outcome(Args&&... args) : values_(std::forward<Args>(args)...) {}
    bool aborted() const noexcept { return false; }
    auto take() { return values_.take(); }

  private:
    asio_values<Values...> values_;
};

template <class... Values>
class asio_outcome<asio::error_code, Values...> {
  public:
    using value_type = decltype(std::declval<asio_values<Values...>&>().take());

    template <class... Args>
    explicit asio_outcome(asio::error_code error, Args&&... args)
        : error_(error), values_(std::forward<Args>(args)...) {}
    bool aborted() const noexcept { return error_ == asio::error::operation_aborted; }
    auto take() {
        if (error_) throw std::system_error(error_);
        return values_.take();
    }
    result<value_type> take_result() {
        if (error_) return result<value_type>(error_);
        if constexpr (sizeof...(Values) == 0) {
            return {};
        } else {
            return result<value_type>(values_.take());
        }
    }

  private:
    asio::error_code error_;
    asio_values<Values...> values_;
};

template <class... Values>
class asio_outcome<std::exception_ptr, Values...> {
  public:
    template <class... Args>
    explicit asio_outcome(std::exception_ptr error, Args&&... args)
        : error_(std::move(error)), values_(std::forward<Args>(args)...) {}
    bool aborted() const noexcept {
        if (!error_) return false;
        try {
            std::rethrow_exception(error_);
        } catch (const std::system_error& e) {
            return e.code() == asio::error::operation_aborted;
        } catch (...) {
            return false;
        }
    }
    auto take() {
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        return values_.take();
    }

  private:
    std::exception_ptr error_;
    asio_values<Values...> values_;
};

}  // namespace detail
}  // namespace bight
