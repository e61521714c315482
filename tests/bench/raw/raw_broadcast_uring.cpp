// Broadcast with bare io_uring requests: a batch of sends for each message, straight from the buffer that it
// was received into; the kernel keeps what a socket does not take at once. usage: raw_broadcast_uring PORT
#include "uring_buffers.hpp"

#include <array>

namespace {

enum class request : std::uint64_t { accept, receive, send };

std::uint64_t user_data(request kind, unsigned what) { return static_cast<std::uint64_t>(kind) << 32 | what; }

class server {
  public:
    explicit server(unsigned port) : listener_(bench::listen_at(port, 0)) {}

    [[noreturn]] void run() {
        arm_accept();
        ring_.run([this](const io_uring_cqe& cqe) { completed(cqe); });
    }

  private:
    void arm_accept() {
        io_uring_sqe& sqe = ring_.next();
        io_uring_prep_multishot_accept(&sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
        sqe.user_data = user_data(request::accept, 0);
    }

    void arm_receive(int fd) {
        ring_.arm_receive(fd, user_data(request::receive, static_cast<unsigned>(fd)));
    }

    void completed(const io_uring_cqe& cqe) {
        const auto what = static_cast<unsigned>(cqe.user_data & 0xffffffff);
        switch (static_cast<request>(cqe.user_data >> 32)) {
            case request::accept: accepted(cqe); break;
            case request::receive: heard(static_cast<int>(what), cqe); break;
            case request::send: sent(what); break;
        }
    }

    void accepted(const io_uring_cqe& cqe) {
        if (cqe.res >= 0) {
            bench::no_delay(cqe.res);
            clients_.push_back(cqe.res);
            arm_receive(cqe.res);
        }
        if (!(cqe.flags & IORING_CQE_F_MORE)) arm_accept();
    }

    void heard(int speaker, const io_uring_cqe& cqe) {
        if (cqe.res == -ENOBUFS) return arm_receive(speaker);
        if (cqe.res <= 0) {
            clients_.erase(std::find(clients_.begin(), clients_.end(), speaker));
            ::close(speaker);
            return;
        }
        spread(cqe.flags >> IORING_CQE_BUFFER_SHIFT, static_cast<std::size_t>(cqe.res), speaker);
        if (!(cqe.flags & IORING_CQE_F_MORE)) arm_receive(speaker);
    }

    void spread(unsigned buffer, std::size_t size, int speaker) {
        unsent_[buffer] = clients_.size();  // and this one, until all requests are made
        for (const int other : clients_) {
            if (other == speaker) continue;
            io_uring_sqe& sqe = ring_.next();
            io_uring_prep_send(&sqe, other, ring_.at(buffer), size, MSG_NOSIGNAL | MSG_WAITALL);
            sqe.user_data = user_data(request::send, buffer);
        }
        sent(buffer);
    }

    void sent(unsigned buffer) {
        if (--unsent_[buffer] == 0) ring_.give_back(buffer);
    }

    bench::ring_with_buffers ring_;  // first: a server that cannot have it does not listen
    int listener_;
    std::vector<int> clients_;
    std::array<std::size_t, bench::ring_with_buffers::buffer_count> unsent_{};  // by buffer
};

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bench::raise_descriptor_limit();
    server(bench::number(count, arguments, 1, 7000, 65535)).run();
}
