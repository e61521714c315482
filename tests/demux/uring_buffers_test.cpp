#include "core/thread_state.hpp"
#include "demux/uring_buffers.hpp"

#include "support/catch.hpp"
#include "support/skip.hpp"

#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <thread>

using bight::detail::uring_buffers;

namespace {

/// A ring of its own, with a pair of sockets to receive on.
class small_ring {
  public:
    small_ring() {
        if (const int result = ::io_uring_queue_init(8, &ring_, 0); result != 0) {
            test::skip("io_uring_queue_init: " + std::system_category().message(-result));
        }
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_) == 0);
    }
    small_ring(const small_ring&) = delete;
    small_ring& operator=(const small_ring&) = delete;
    ~small_ring() {
        ::io_uring_queue_exit(&ring_);
        ::close(ends_[0]);
        ::close(ends_[1]);
    }

    io_uring& ring() { return ring_; }

    /// Sends `text` and receives it into a provided buffer: its number, or -errno.
    int receive(const std::string& text) {
        REQUIRE(::send(ends_[1], text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
        io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
        ::io_uring_prep_recv(sqe, ends_[0], nullptr, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = uring_buffers::group;
        REQUIRE(::io_uring_submit(&ring_) == 1);
        io_uring_cqe* cqe = nullptr;
        REQUIRE(::io_uring_wait_cqe(&ring_, &cqe) == 0);
        const int result = cqe->res;
        const unsigned flags = cqe->flags;
        ::io_uring_cqe_seen(&ring_, cqe);
        if (result < 0) return result;
        REQUIRE((flags & IORING_CQE_F_BUFFER) != 0);
        return static_cast<int>(flags >> IORING_CQE_BUFFER_SHIFT);
    }

  private:
    io_uring ring_{};
    int ends_[2];
};

/// Takes the buffer `id` over, as the demultiplexer does.
uring_buffers::slot& lent(uring_buffers& buffers, int id) {
    REQUIRE(id >= 0);
    uring_buffers::slot& filled = buffers.filled(static_cast<unsigned>(id));
    buffers.lend(filled);
    return filled;
}

}  // namespace

TEST_CASE("the kernel fills each buffer once, and again when it came back") {
    small_ring r;
    int error = 0;
    uring_buffers* buffers = uring_buffers::make(r.ring(), 4, error);
    REQUIRE(buffers != nullptr);
    CHECK(error == 0);
    uring_buffers::slot* slots[4];
    for (int i = 0; i < 4; ++i) {
        const std::string text = "text " + std::to_string(i);
        slots[i] = &lent(*buffers, r.receive(text));
        for (int j = 0; j < i; ++j) CHECK(slots[j] != slots[i]);
    }
    for (int i = 0; i < 4; ++i) {
        CHECK(std::string(buffers->bytes(*slots[i]), 6) == "text " + std::to_string(i));
    }
    CHECK(r.receive("waits") == -ENOBUFS);
    bight::detail::lender_here = buffers;  // as while a reactor runs
    slots[2]->release(*slots[2]);
    uring_buffers::slot& again = lent(*buffers, r.receive("!"));
    CHECK(&again == slots[2]);
    CHECK(std::string(buffers->bytes(again), 6) == "waits!");
    again.release(again);
    for (const int i : {3, 0, 1}) slots[i]->release(*slots[i]);
    for (int i = 0; i < 20; ++i) {
        uring_buffers::slot& s = lent(*buffers, r.receive("round"));
        s.release(s);
    }
    bight::detail::lender_here = nullptr;
    CHECK(buffers->lent() == 0);
    buffers->let_go();
}

TEST_CASE("buffers that come back on another thread go to the kernel when the ring's thread takes them") {
    small_ring r;
    int error = 0;
    uring_buffers* buffers = uring_buffers::make(r.ring(), 4, error);
    REQUIRE(buffers != nullptr);
    for (int round = 0; round < 10; ++round) {
        uring_buffers::slot* slots[4];
        for (auto*& s : slots) s = &lent(*buffers, r.receive("text"));
        CHECK(buffers->lent() == 4);
        std::thread([&] {
            for (auto* s : slots) s->release(*s);
        }).join();
        CHECK(buffers->lent() == 0);
        buffers->take_back();
        CHECK(buffers->lent() == 0);
    }
    uring_buffers::slot& last = lent(*buffers, r.receive("last"));
    std::thread other([&] { last.release(last); });
    buffers->let_go();  // the memory goes with the later of the two
    other.join();
}

TEST_CASE("buffers outlive the ring while chunks hold them") {
    uring_buffers::slot* first = nullptr;
    uring_buffers::slot* second = nullptr;
    uring_buffers* buffers = nullptr;
    {
        small_ring r;
        int error = 0;
        buffers = uring_buffers::make(r.ring(), 8, error);
        REQUIRE(buffers != nullptr);
        first = &lent(*buffers, r.receive("one"));
        second = &lent(*buffers, r.receive("two"));
    }
    buffers->let_go();
    CHECK(std::string(buffers->bytes(*first), 3) == "one");
    first->release(*first);
    CHECK(std::string(buffers->bytes(*second), 3) == "two");
    second->release(*second);  // the memory is gone now
}

TEST_CASE("a number of buffers that is no power of two is refused") {
    small_ring r;
    int error = 0;
    CHECK(uring_buffers::make(r.ring(), 6, error) == nullptr);
    CHECK(error == -EINVAL);
}
