// An echo server of datagrams on io_uring's multishot recvmsg: what it would save. Each datagram is a
// completion of its own, in a provided buffer that has room for SIZE bytes (2,048 unless told). What has come
// together is answered from these buffers by sendmmsg(2), 64 at a time, or with `entries` by a request each,
// which enter the kernel with the next wait. usage: raw_datagrams_uring PORT [SIZE [entries]]
#include "bench.hpp"
#include "uring_buffers.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace {

constexpr unsigned buffers = 256;  // twice what is on its way in the theme
constexpr std::size_t at_once = 64;
constexpr std::size_t beside = sizeof(io_uring_recvmsg_out) + sizeof(sockaddr_in);

enum user_data : std::uint64_t { of_receive, of_send };

class echo_server {
  public:
    echo_server(unsigned port, std::size_t size, bool by_entries)
        : ring_(buffers, beside + size), fd_(bench::bound_datagrams(port)), by_entries_(by_entries) {
        form_.msg_namelen = sizeof(sockaddr_in);
    }

    [[noreturn]] void run() {
        ring_.arm_receive_messages(fd_, form_, of_receive);
        ring_.run([&](const io_uring_cqe& cqe) { completed(cqe); }, [&] { answer(); });
    }

  private:
    void completed(const io_uring_cqe& cqe) {
        if (cqe.user_data == of_send) bench::must(cqe.res, "sendmsg");
        give_back();  // what the requests of the last turn have sent
        ended_ = ended_ || (cqe.flags & IORING_CQE_F_MORE) == 0;
        if (cqe.res == -ENOBUFS) return;
        bench::must(cqe.res, "recvmsg");
        const unsigned buffer = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
        io_uring_recvmsg_out* const got = io_uring_recvmsg_validate(ring_.at(buffer), cqe.res, &form_);
        if (!got) bench::fail("io_uring_recvmsg_validate");
        pieces_[count_] = {io_uring_recvmsg_payload(got, &form_),
                           io_uring_recvmsg_payload_length(got, cqe.res, &form_)};
        msghdr& header = messages_[count_].msg_hdr;
        header = {};
        header.msg_name = io_uring_recvmsg_name(got);
        header.msg_namelen = got->namelen;
        header.msg_iov = &pieces_[count_];
        header.msg_iovlen = 1;
        ids_[count_++] = buffer;
        if (!by_entries_ && count_ == at_once) answer();
    }

    void answer() {
        if (by_entries_) {
            for (std::size_t i = 0; i < count_; ++i) {
                io_uring_sqe& sqe = ring_.next();
                io_uring_prep_sendmsg(&sqe, fd_, &messages_[i].msg_hdr, MSG_DONTWAIT);
                sqe.flags |= IOSQE_CQE_SKIP_SUCCESS;
                sqe.user_data = of_send;
            }
            to_give_back_ = count_;
        } else {
            for (std::size_t sent = 0; sent < count_;) {
                const int more =
                    ::sendmmsg(fd_, messages_.data() + sent, static_cast<unsigned>(count_ - sent), 0);
                if (more < 0 && errno != EINTR) bench::fail("sendmmsg");
                if (more > 0) sent += static_cast<std::size_t>(more);
            }
            to_give_back_ = count_;
            give_back();
        }
        count_ = 0;
        if (ended_) ring_.arm_receive_messages(fd_, form_, of_receive);
        ended_ = false;
    }

    void give_back() {
        for (std::size_t i = 0; i < to_give_back_; ++i) ring_.give_back(ids_[i]);
        to_give_back_ = 0;
    }

    bench::ring_with_buffers ring_;  // first: a server that cannot have it does not listen
    int fd_;
    bool by_entries_;
    bool ended_ = false;  // the receive
    msghdr form_{};
    std::size_t count_ = 0;
    std::size_t to_give_back_ = 0;
    std::array<mmsghdr, buffers> messages_{};
    std::array<iovec, buffers> pieces_{};
    std::array<unsigned, buffers> ids_{};
};

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    const unsigned port = bench::number(count, arguments, 1, 7000, 65535);
    const unsigned size = bench::number(count, arguments, 2, 2048, 65507);
    static echo_server server(port, size, count > 3 && std::string_view(arguments[3]) == "entries");
    server.run();
}
