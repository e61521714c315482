// An echo server of bare io_uring requests: multishot accept, multishot receive into a ring of provided
// buffers, and one send at a time on each connection, straight from the buffer that was received into. usage:
// raw_uring PORT
#include "bench.hpp"

#include <liburing.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace {

constexpr unsigned ring_entries = 1024;
constexpr unsigned buffer_count = 1024;
constexpr unsigned buffer_size = 4096;
constexpr int buffer_group = 0;

enum class request : std::uint64_t { accept, receive, send };

struct received {
    unsigned buffer;
    unsigned size;
};

struct connection {
    std::vector<received> to_send;  // the first is being sent
    bool receiving = false;
    bool ended = false;  // the peer has ended it, or it failed
};

class server {
  public:
    explicit server(int listener) : listener_(listener), connections_(65536) {
        io_uring_params parameters{};
        parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                           IORING_SETUP_CQSIZE;
        parameters.cq_entries = ring_entries * 16;
        must(io_uring_queue_init_params(ring_entries, &ring_, &parameters), "io_uring_setup");
        io_uring_register_ring_fd(&ring_);
        provide_buffers();
    }

    [[noreturn]] void run() {
        arm_accept();
        for (;;) {
            const int entered = io_uring_submit_and_wait(&ring_, 1);
            if (entered < 0 && entered != -EINTR) must(entered, "io_uring_enter");
            io_uring_cqe* cqe = nullptr;
            unsigned head = 0;
            unsigned seen = 0;
            io_uring_for_each_cqe(&ring_, head, cqe) {
                ++seen;
                completed(*cqe);
            }
            io_uring_cq_advance(&ring_, seen);
        }
    }

  private:
    static void must(int result, const char* what) {
        if (result >= 0) return;
        errno = -result;
        bench::fail(what);
    }

    static void* map(std::size_t bytes) {
        void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        if (memory == MAP_FAILED) bench::fail("mmap");
        return memory;
    }

    void provide_buffers() {
        memory_ = static_cast<char*>(map(std::size_t{buffer_count} * buffer_size));
        buffers_ = static_cast<io_uring_buf_ring*>(map(buffer_count * sizeof(io_uring_buf)));
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffers_);
        registration.ring_entries = buffer_count;
        registration.bgid = buffer_group;
        must(io_uring_register_buf_ring(&ring_, &registration, 0), "io_uring_register_buf_ring");
        io_uring_buf_ring_init(buffers_);
        for (unsigned i = 0; i < buffer_count; ++i) give_back(i);
    }

    char* at(unsigned buffer) { return memory_ + std::size_t{buffer} * buffer_size; }

    void give_back(unsigned buffer) {
        io_uring_buf_ring_add(buffers_, at(buffer), buffer_size, static_cast<unsigned short>(buffer),
                              io_uring_buf_ring_mask(buffer_count), 0);
        io_uring_buf_ring_advance(buffers_, 1);
    }

    io_uring_sqe& entry(request kind, int fd) {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        while (!sqe) {
            must(io_uring_submit(&ring_), "io_uring_submit");
            sqe = io_uring_get_sqe(&ring_);
        }
        user_data_ = static_cast<std::uint64_t>(kind) << 32 | static_cast<std::uint32_t>(fd);
        return *sqe;
    }

    void arm_accept() {
        io_uring_sqe& sqe = entry(request::accept, listener_);
        io_uring_prep_multishot_accept(&sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
        sqe.user_data = user_data_;
    }

    void arm_receive(int fd) {
        of(fd).receiving = true;
        io_uring_sqe& sqe = entry(request::receive, fd);
        io_uring_prep_recv(&sqe, fd, nullptr, 0, 0);
        sqe.ioprio |= IORING_RECV_MULTISHOT;
        sqe.flags |= IOSQE_BUFFER_SELECT;
        sqe.buf_group = buffer_group;
        sqe.user_data = user_data_;
    }

    void send_first(int fd) {
        const received& first = of(fd).to_send.front();
        io_uring_sqe& sqe = entry(request::send, fd);
        io_uring_prep_send(&sqe, fd, at(first.buffer), first.size, MSG_NOSIGNAL | MSG_WAITALL);
        sqe.user_data = user_data_;
    }

    connection& of(int fd) { return connections_[static_cast<std::size_t>(fd)]; }

    void completed(const io_uring_cqe& cqe) {
        const int fd = static_cast<int>(cqe.user_data & 0xffffffff);
        switch (static_cast<request>(cqe.user_data >> 32)) {
            case request::accept: accepted(cqe); break;
            case request::receive: got(fd, cqe); break;
            case request::send: sent(fd, cqe); break;
        }
    }

    void accepted(const io_uring_cqe& cqe) {
        if (cqe.res >= 0) {
            of(cqe.res) = connection{};
            bench::no_delay(cqe.res);
            arm_receive(cqe.res);
        }
        if (!(cqe.flags & IORING_CQE_F_MORE)) arm_accept();
    }

    void got(int fd, const io_uring_cqe& cqe) {
        connection& c = of(fd);
        if (cqe.flags & IORING_CQE_F_BUFFER) {
            const unsigned buffer = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
            if (cqe.res > 0) {
                c.to_send.push_back({buffer, static_cast<unsigned>(cqe.res)});
                if (c.to_send.size() == 1) send_first(fd);
            } else {
                give_back(buffer);
            }
        }
        if (cqe.res <= 0 && cqe.res != -ENOBUFS) c.ended = true;
        if (!(cqe.flags & IORING_CQE_F_MORE)) c.receiving = false;
        go_on(fd);
    }

    void sent(int fd, const io_uring_cqe& cqe) {
        connection& c = of(fd);
        if (cqe.res < static_cast<int>(c.to_send.front().size)) c.ended = true;
        give_back(c.to_send.front().buffer);
        c.to_send.erase(c.to_send.begin());
        if (!c.to_send.empty()) send_first(fd);
        go_on(fd);
    }

    // Without buffers its own are all in the queue: the receive is armed again when they have been sent.
    void go_on(int fd) {
        connection& c = of(fd);
        if (c.receiving || !c.to_send.empty()) return;
        if (c.ended) {
            ::close(fd);
        } else {
            arm_receive(fd);
        }
    }

    io_uring ring_{};
    int listener_;
    std::uint64_t user_data_ = 0;
    char* memory_ = nullptr;
    io_uring_buf_ring* buffers_ = nullptr;
    std::vector<connection> connections_;  // by descriptor
};

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    server(bench::listen_at(bench::number(count, arguments, 1, 7000, 65535), 0)).run();
}
