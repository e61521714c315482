// An echo server of bare io_uring requests: multishot accept, multishot receive into a ring of provided
// buffers, and one send at a time on each connection, straight from the buffer that was received into. usage:
// raw_uring PORT
#include "uring_buffers.hpp"

namespace {

enum class request : std::uint64_t { accept, receive, send };

std::uint64_t user_data(request kind, int fd) {
    return static_cast<std::uint64_t>(kind) << 32 | static_cast<std::uint32_t>(fd);
}

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
    explicit server(unsigned port) : listener_(bench::listen_at(port, 0)), connections_(65536) {}

    [[noreturn]] void run() {
        arm_accept();
        ring_.run([this](const io_uring_cqe& cqe) { completed(cqe); });
    }

  private:
    void arm_accept() {
        io_uring_sqe& sqe = ring_.next();
        io_uring_prep_multishot_accept(&sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
        sqe.user_data = user_data(request::accept, listener_);
    }

    void arm_receive(int fd) {
        of(fd).receiving = true;
        ring_.arm_receive(fd, user_data(request::receive, fd));
    }

    void send_first(int fd) {
        const received& first = of(fd).to_send.front();
        io_uring_sqe& sqe = ring_.next();
        io_uring_prep_send(&sqe, fd, ring_.at(first.buffer), first.size, MSG_NOSIGNAL | MSG_WAITALL);
        sqe.user_data = user_data(request::send, fd);
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
                ring_.give_back(buffer);
            }
        }
        if (cqe.res <= 0 && cqe.res != -ENOBUFS) c.ended = true;
        if (!(cqe.flags & IORING_CQE_F_MORE)) c.receiving = false;
        go_on(fd);
    }

    void sent(int fd, const io_uring_cqe& cqe) {
        connection& c = of(fd);
        if (cqe.res < static_cast<int>(c.to_send.front().size)) c.ended = true;
        ring_.give_back(c.to_send.front().buffer);
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

    bench::ring_with_buffers ring_;  // first: a server that cannot have it does not listen
    int listener_;
    std::vector<connection> connections_;  // by descriptor
};

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bench::raise_descriptor_limit();
    server(bench::number(count, arguments, 1, 7000, 65535)).run();
}
