// Listeners: what comes while nobody accepts, and accepts that fail for want of a descriptor.
#include "probes.hpp"
#include "support/few_descriptors.hpp"

#include <array>
#include <optional>
#include <vector>

using test::demultiplexer_fixture;
using test::operation_kind;
using test::plain_probe;

namespace {

#define ON_EACH_DEMULTIPLEXER demultiplexer_fixture on(GENERATE(from_range(test::demultiplexers())))

enum class descriptors { enough, few };

/// A listener that has accepted once (io_uring goes on accepting from then on, by the limit of descriptors
/// that there was when it began), and clients for it.
class listener {
  public:
    explicit listener(demultiplexer_fixture& on, descriptors there_are = descriptors::few)
        : on_(on), at_(on.add(test::listen_on_loopback(where_))), op_(at_, operation_kind::accept) {
        if (there_are == descriptors::few) few_.emplace(24);
        for (int& fd : clients_) fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        connect();
        REQUIRE(accept() >= 0);
    }
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;
    ~listener() {
        free_descriptors();
        for (const int fd : clients_) ::close(fd);
    }

    test::probe_descriptor& descriptor() { return at_; }
    void connect() {
        const int fd = clients_.at(connected_++);
        REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&where_), sizeof where_) == 0);
    }
    std::int64_t accept() {
        const int before = op_.completions;
        on_.start(op_);
        REQUIRE(on_.until_completed(op_, before + 1));
        if (op_.result >= 0) ::close(op_.handle());
        return op_.result;
    }
    /// Starts to accept, and stops again: io_uring goes on.
    void begin_to_accept() {
        on_.start(op_);
        on_.turns();
        on_.end(op_);
    }

    void take_descriptors() {
        for (int fd; (fd = ::dup(at_.fd)) >= 0;) taken_.push_back(fd);
    }
    void free_descriptors() {
        for (const int fd : taken_) ::close(fd);
        taken_.clear();
        few_.reset();
    }

  private:
    demultiplexer_fixture& on_;
    sockaddr_in where_{};
    test::probe_descriptor& at_;
    plain_probe op_;
    std::array<int, 4> clients_{};
    std::size_t connected_ = 0;
    std::optional<test::few_descriptors> few_;
    std::vector<int> taken_;
};

}  // namespace

TEST_CASE("an accept that failed while nobody waited is not told to who accepts next") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    listener l(on);
    l.take_descriptors();
    l.connect();
    on.turns();
    l.free_descriptors();
    l.connect();
    on.turns();
    for (int i = 0; i < 2; ++i) CHECK(l.accept() >= 0);
}

TEST_CASE("an accept that failed while a poll waited ends the poll, and is not told to who accepts next") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    listener l(on);
    plain_probe poll(l.descriptor(), operation_kind::poll_read);
    on.start(poll);
    on.turns();
    REQUIRE(poll.completions == 0);
    l.take_descriptors();
    l.connect();
    REQUIRE(on.until_completed(poll));
    CHECK(poll.result == 0);
    l.free_descriptors();
    CHECK(l.accept() >= 0);
}

TEST_CASE(
    "a poll of a listener sees a connection that came while nobody accepted, and leaves it to who accepts") {
    ON_EACH_DEMULTIPLEXER;
    INFO(on.name());
    listener l(on, descriptors::enough);
    l.begin_to_accept();
    l.connect();
    on.turns();
    plain_probe poll(l.descriptor(), operation_kind::poll_read);
    for (int i = 1; i <= 2; ++i) {
        on.start(poll);
        REQUIRE(on.until_completed(poll, i));
        CHECK(poll.result == 0);
    }
    CHECK(l.accept() >= 0);
    on.start(poll);
    on.turns();
    CHECK(poll.completions == 2);
    on.end(poll);
}
