// A random walk of an fd_watch, against a model of what poll(2) says.
#include "watched.hpp"
#include "watched_file.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

using bight::fd_interest;
using bight::fd_readiness;
using bight::fd_watch;
using bight::task;

namespace {

// An open file, under any number, and its peer.
struct open_file {
    test::raw_socket theirs;
};

// What was added under a number.
struct registration {
    std::uint64_t token = 0;
    std::shared_ptr<open_file> file;
    fd_interest wanted;
    bool was_closed = false;  // at any time: then it need not be told when its number has this file again
    int told = 0;             // since the last step
};

// A number, which has a file or not, and duplicates of files that it had.
struct place {
    int number = -1;
    std::shared_ptr<open_file> file;
    std::vector<std::pair<test::raw_socket, std::shared_ptr<open_file>>> kept;
    std::unique_ptr<registration> watched;
};

// As poll(2) says it.
fd_readiness readiness_of(int fd, fd_interest wanted) {
    pollfd asked{fd, POLLIN | POLLOUT | POLLPRI, 0};
    if (::poll(&asked, 1, 0) <= 0) return {};
    const auto has = [&](int events) { return (asked.revents & events) != 0; };
    const bool tells_ends = wanted.readable || wanted.writable;
    return {.readable = wanted.readable && has(POLLIN | POLLERR | POLLHUP),
            .writable = wanted.writable && has(POLLOUT | POLLERR | POLLHUP),
            .priority = wanted.priority && has(POLLPRI),
            .failed = tells_ends && has(POLLERR),
            .hung_up = tells_ends && has(POLLHUP)};
}

class walk {
  public:
    walk(fd_watch& watch, std::uint32_t seed) : watch_(watch), random_(seed) {
        int number = 200;
        for (place& p : places_) p.number = number++;
    }
    ~walk() {
        for (const place& p : places_) {
            if (p.file) ::close(p.number);
        }
    }

    void step() {
        for (const place& p : places_) {
            if (p.watched) p.watched->told = 0;
        }
        place& p = places_[pick(places_.size())];
        switch (pick(10)) {
            case 0: open(p); break;
            case 1: close(p); break;
            case 2: reopen(p); break;
            case 3:
            case 4: add(p); break;
            case 5: change(p); break;
            case 6: remove(p); break;
            case 7:
            case 8: talk(p); break;
            default: drain(p); break;
        }
    }
    // Whether everything has been told that is to be told.
    bool all_told() const {
        for (const place& p : places_) {
            if (!p.watched || p.watched->was_closed || p.watched->told > 0) continue;
            const auto now = readiness_of(p.number, p.watched->wanted);
            if (now.readable || now.writable || now.priority) return false;
        }
        return true;
    }
    std::string description() const {
        std::string text;
        for (const place& p : places_) {
            text += std::to_string(p.number) + (p.file ? ": open" : ": closed");
            if (p.watched)
                text += " watched " + std::to_string(p.watched->wanted.readable) +
                        std::to_string(p.watched->wanted.writable) +
                        std::to_string(p.watched->wanted.priority) +
                        (p.watched->was_closed ? ", was closed" : "");
            text += '\n';
        }
        return text;
    }
    void pause_all() {
        for (place& p : places_) {
            if (!p.watched) continue;
            const auto code = test::code_of([&] { watch_.change(p.number, {}); });
            CHECK((p.watched->was_closed || !code));
            if (!code) p.watched->wanted = {};
        }
    }

  private:
    std::size_t pick(std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
    }
    fd_interest any_interest() {
        const std::size_t bits = pick(8);
        return {.readable = (bits & 1) != 0,
                .writable = (bits & 2) != 0,
                .priority = (bits & 4) != 0 && test::tells_of_urgent_data()};
    }

    void open(place& p) {
        close(p);
        p.file = std::make_shared<open_file>();
        test::raw_socket ours;
        if (pick(4) == 0) {
            ours = test::plain_file();
            inodes_.emplace_back(::dup(ours.get()));
        } else {
            test::socket_pair pair;
            ours = std::move(pair.ours);
            p.file->theirs = std::move(pair.theirs);
        }
        REQUIRE(::dup2(ours.get(), p.number) == p.number);
    }
    void close(place& p) {
        if (!p.file) return;
        if (pick(2) == 0) p.kept.emplace_back(::fcntl(p.number, F_DUPFD_CLOEXEC, 300), p.file);
        ::close(p.number);
        p.file.reset();
        if (p.watched) p.watched->was_closed = true;
    }
    // The number gets a file back that it had before.
    void reopen(place& p) {
        if (p.kept.empty()) return;
        const std::size_t which = pick(p.kept.size());
        if (p.watched) p.watched->was_closed = true;
        REQUIRE(::dup2(p.kept[which].first.get(), p.number) == p.number);
        p.file = p.kept[which].second;
        if (pick(2) == 0) p.kept.erase(p.kept.begin() + static_cast<std::ptrdiff_t>(which));
    }
    void add(place& p) {
        const std::uint64_t token = ++last_token_;
        const fd_interest wanted = any_interest();
        const auto told = [this, &p, token](fd_readiness now) { check(p, token, now); };
        const auto code = test::code_of([&] { watch_.add(p.number, wanted, told); });
        if (!p.file) CHECK(code == std::errc::bad_file_descriptor);
        if (!p.file) return;
        CHECK_FALSE(code);
        p.watched = std::make_unique<registration>();
        p.watched->token = token;
        p.watched->file = p.file;
        p.watched->wanted = wanted;
    }
    void change(place& p) {
        const fd_interest wanted = any_interest();
        const auto code = test::code_of([&] { watch_.change(p.number, wanted); });
        if (p.watched) {
            if (!p.watched->was_closed) CHECK_FALSE(code);
            if (!code) p.watched->wanted = wanted;
        } else {
            CHECK(code == std::errc::no_such_file_or_directory);
        }
    }
    void remove(place& p) {
        CHECK(watch_.remove(p.number) == (p.watched != nullptr));
        p.watched.reset();
    }
    void talk(const place& p) {
        if (!p.file) return;
        if (pick(8) == 0) {
            p.file->theirs.close();
        } else if (p.file->theirs.get() >= 0) {
            (void)::send(p.file->theirs.get(), "!", 1, MSG_NOSIGNAL);
        }
    }
    static void drain(const place& p) {
        char bytes[64];
        while (p.file && ::recv(p.number, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
        }
    }

    void check(place& p, std::uint64_t token, fd_readiness now) {
        REQUIRE(p.watched);
        CHECK(p.watched->token == token);
        CHECK(p.file == p.watched->file);
        CHECK(now == readiness_of(p.number, p.watched->wanted));
        ++p.watched->told;
    }

    fd_watch& watch_;
    std::mt19937 random_;
    std::array<place, 5> places_;
    std::vector<test::raw_socket> inodes_;  // which are not used again meanwhile
    std::uint64_t last_token_ = 0;
};

}  // namespace

TEST_CASE("fd_watch: a random walk tells what poll says, to the right owner, and to nobody else") {
    const std::uint32_t seed = GENERATE(1U, 2U);
    CAPTURE(seed);
    test::beside_a_watch([seed](fd_watch& watch, bight::reactor& r) -> task<> {
        walk at_random(watch, seed);
        for (int i = 1; i <= 600; ++i) {
            INFO("step " << i);
            at_random.step();
            for (int turn = 0; turn < 100'000 && !at_random.all_told(); ++turn) co_await bight::yield();
            INFO(at_random.description());
            const bool told = at_random.all_told();
            REQUIRE(told);
            if (i % 200 != 0) continue;
            at_random.pause_all();
            const bool asleep = co_await test::sleeps(r);
            CHECK(asleep);
        }
    });
}
