// The same as random_reads.cpp on a bare ring of liburing: raw_random_reads [COUNT] [DEPTH]
#include "random_places.hpp"

#include <liburing.h>

namespace {

class reader {
  public:
    reader(int file, unsigned depth) : file_(file), blocks_(depth) {
        io_uring_params how{};
        how.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN;
        if (::io_uring_queue_init_params(depth, &ring_, &how) < 0) bench::fail("io_uring_queue_init");
    }
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;
    ~reader() { ::io_uring_queue_exit(&ring_); }

    void read(unsigned count) {
        unsigned under_way = 0;
        for (; under_way < blocks_.size() && under_way < count; ++under_way) begin(under_way);
        count -= under_way;
        while (under_way > 0) {
            if (::io_uring_submit_and_wait(&ring_, 1) < 0) bench::fail("io_uring_submit_and_wait");
            io_uring_cqe* done = nullptr;
            unsigned head = 0;
            unsigned seen = 0;
            io_uring_for_each_cqe(&ring_, head, done) {
                ++seen;
                if (done->res != static_cast<int>(bench::read_size)) bench::fail("read");
                if (count > 0) {
                    --count;
                    begin(static_cast<std::size_t>(done->user_data));
                } else {
                    --under_way;
                }
            }
            ::io_uring_cq_advance(&ring_, seen);
        }
    }

  private:
    void begin(std::size_t index) {
        io_uring_sqe* const asked = ::io_uring_get_sqe(&ring_);
        if (!asked) bench::fail("io_uring_get_sqe");
        ::io_uring_prep_read(asked, file_, blocks_[index].data(), bench::read_size, places_.next());
        asked->user_data = index;
    }

    int file_;
    std::vector<bench::block> blocks_;
    bench::random_places places_;
    io_uring ring_{};
};

}  // namespace

int main(int argc, char** argv) {
    const unsigned count = bench::number(argc, argv, 1, 1'000'000, 100'000'000);
    const unsigned depth = bench::number(argc, argv, 2, 32, 1024);
    bench::live_at_most(600);
    reader from(bench::sent_file(), depth);
    from.read(count / 10 + 1);
    const bench::time_spent began;
    from.read(count);
    began.print(count);
}
