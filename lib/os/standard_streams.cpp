#include <bight/os/standard_streams.hpp>

#include "stream_over.hpp"

#include "../core/process.hpp"
#include "../core/system_error.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace detail {

namespace {

// The process whose stream has descriptor 0, 1, 2; 0: none. A forked child finds its parent's number there,
// which is nobody's here.
std::atomic<unsigned> standard_owners[3];

class standard_claim final : public descriptor_claim {
  public:
    standard_claim(int number, standard_descriptor then, const char* what) : number_(number), then_(then) {
        unsigned owner = standard_owners[number].load();
        do {
            if (owner != process_) continue;
            throw std::system_error(errc::busy, std::string(what) + ": there is a stream of it already");
        } while (!standard_owners[number].compare_exchange_weak(owner, process_));
    }
    ~standard_claim() override {
        if (process_ != this_process()) return;
        if (then_ == standard_descriptor::becomes_null) give_up();
        standard_owners[number_].store(0);
    }

  private:
    // Not closed: the next file that is opened would become standard output.
    void give_up() const noexcept {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0) return;
        while (::dup2(null, number_) < 0 && errno == EINTR) {
        }
        if (null != number_) ::close(null);
    }

    const int number_;
    const standard_descriptor then_;
    const unsigned process_ = this_process();
};

stream standard_stream(int number, standard_descriptor then, const char* what) {
    reactor& home = reactor_with_descriptors(what);
    const bool reads = number == 0;
    const int flags = ::fcntl(number, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == (reads ? O_WRONLY : O_RDONLY)) {
        throw std::system_error(system_error_code(EBADF), std::string(what) + ": descriptor " +
                                                              std::to_string(number) +
                                                              (flags < 0 ? " is not open"
                                                               : reads   ? " is not open for reading"
                                                                         : " is not open for writing"));
    }
    std::string name = what;
    auto claim = std::make_unique<standard_claim>(number, then, what);
    const int fd = ::fcntl(number, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) throw std::system_error(system_error_code(errno), what);
    return stream_over(home, fd, reads ? pipe_transport::way::reads : pipe_transport::way::writes,
                       std::move(name), std::move(claim));
}

}  // namespace

}  // namespace detail

stream standard_input(standard_descriptor then) { return detail::standard_stream(0, then, "standard input"); }

stream standard_output(standard_descriptor then) {
    return detail::standard_stream(1, then, "standard output");
}

stream standard_error(standard_descriptor then) { return detail::standard_stream(2, then, "standard error"); }

}  // namespace bight
