// A ring with a ring of provided buffers, for the servers on bare io_uring.
#pragma once

#include "bench.hpp"

#include <liburing.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace bench {

inline void must(int result, const char* what) {
    if (result >= 0) return;
    errno = -result;
    fail(what);
}

class ring_with_buffers {
  public:
    static constexpr unsigned buffer_count = 1024;
    static constexpr unsigned short buffer_group = 0;

    /// `count` buffers, a power of two, of `size` bytes.
    explicit ring_with_buffers(unsigned count = buffer_count, std::size_t size = 4096)
        : count_(count), size_(size) {
        io_uring_params parameters{};
        parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                           IORING_SETUP_CQSIZE;
        parameters.cq_entries = 32768;
        must(io_uring_queue_init_params(2048, &ring_, &parameters), "io_uring_setup");
        io_uring_register_ring_fd(&ring_);
        provide_buffers();
    }
    ring_with_buffers(const ring_with_buffers&) = delete;
    ring_with_buffers& operator=(const ring_with_buffers&) = delete;

    /// The next request, to be filled in.
    io_uring_sqe& next() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        while (!sqe) {
            must(io_uring_submit(&ring_), "io_uring_submit");
            sqe = io_uring_get_sqe(&ring_);
        }
        return *sqe;
    }

    /// A receive that goes on, into a provided buffer each time.
    void arm_receive(int fd, std::uint64_t user_data) {
        io_uring_sqe& sqe = next();
        io_uring_prep_recv(&sqe, fd, nullptr, 0, 0);
        sqe.ioprio |= IORING_RECV_MULTISHOT;
        sqe.flags |= IOSQE_BUFFER_SELECT;
        sqe.buf_group = buffer_group;
        sqe.user_data = user_data;
    }

    /// The same of messages (recvmsg(2)), in the form of `header`, which lives as long.
    void arm_receive_messages(int fd, msghdr& header, std::uint64_t user_data) {
        io_uring_sqe& sqe = next();
        io_uring_prep_recvmsg_multishot(&sqe, fd, &header, 0);
        sqe.flags |= IOSQE_BUFFER_SELECT;
        sqe.buf_group = buffer_group;
        sqe.user_data = user_data;
    }

    char* at(unsigned buffer) { return memory_ + buffer * size_; }

    void give_back(unsigned buffer) {
        io_uring_buf_ring_add(buffers_, at(buffer), static_cast<unsigned>(size_),
                              static_cast<unsigned short>(buffer), io_uring_buf_ring_mask(count_), 0);
        io_uring_buf_ring_advance(buffers_, 1);
    }

    /// Submits, waits, and calls completed(cqe) for all that has come, then all_seen(), for ever.
    template <class Completed, class AllSeen>
    [[noreturn]] void run(Completed completed, AllSeen all_seen) {
        for (;;) {
            const int entered = io_uring_submit_and_wait(&ring_, 1);
            if (entered != -EINTR) must(entered, "io_uring_enter");
            io_uring_cqe* cqe = nullptr;
            unsigned head = 0;
            unsigned seen = 0;
            io_uring_for_each_cqe(&ring_, head, cqe) {
                ++seen;
                completed(*cqe);
            }
            io_uring_cq_advance(&ring_, seen);
            all_seen();
        }
    }
    template <class Completed>
    [[noreturn]] void run(Completed completed) {
        run(completed, [] {});
    }

  private:
    static void* map(std::size_t bytes) {
        void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        if (memory == MAP_FAILED) fail("mmap");
        return memory;
    }

    void provide_buffers() {
        memory_ = static_cast<char*>(map(count_ * size_));
        buffers_ = static_cast<io_uring_buf_ring*>(map(count_ * sizeof(io_uring_buf)));
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffers_);
        registration.ring_entries = count_;
        registration.bgid = buffer_group;
        must(io_uring_register_buf_ring(&ring_, &registration, 0), "io_uring_register_buf_ring");
        io_uring_buf_ring_init(buffers_);
        for (unsigned i = 0; i < count_; ++i) give_back(i);
    }

    unsigned count_;
    std::size_t size_;
    io_uring ring_{};
    char* memory_ = nullptr;
    io_uring_buf_ring* buffers_ = nullptr;
};

}  // namespace bench
