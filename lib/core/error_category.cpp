#include <bight/core/error.hpp>

#include <string>

namespace bight {

namespace {

class category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "bight"; }
    std::string message(int code) const override {
        switch (static_cast<errc>(code)) {
            case errc::busy: return "in use already";
            case errc::closed: return "closed on this side";
            case errc::aborted: return "aborted on this side";
            case errc::end_of_stream: return "the stream ended before what was asked for had come";
            case errc::too_long: return "longer than its limit";
            case errc::timed_out: return "the deadline passed";
            case errc::already_fired: return "this deferred has been fired already";
            case errc::backlog_exceeded: return "the peer does not read what it is sent: its backlog is full";
            case errc::bad_endpoint: return "bad endpoint";
            case errc::unavailable: return "not available here";
            case errc::wrong_thread: return "used from a thread it is not bound to";
            case errc::not_accepted:
                return "accept_descriptors was not called before the first read, and any that came are lost";
        }
        return "unknown error " + std::to_string(code);
    }
    // Lets code that compares with std::errc recognise time-outs and the like.
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<errc>(code)) {
            case errc::busy: return std::errc::device_or_resource_busy;
            case errc::closed: return std::errc::not_connected;
            case errc::aborted: return std::errc::connection_aborted;
            case errc::timed_out: return std::errc::timed_out;
            case errc::bad_endpoint: return std::errc::invalid_argument;
            default: return {code, *this};
        }
    }
};

}  // namespace

const std::error_category& error_category() noexcept {
    static const category the_category;
    return the_category;
}

}  // namespace bight
