// A library that brings its own descriptors and timers: libcurl's multi interface on fd_watch, fetching from
// a server on the same reactor.
#include "support/catch.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"
#include "support/skip.hpp"

#include <bight/bight.hpp>
#include <bight/os/fd_watch.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#ifdef BIGHT_TESTS_HAVE_LIBCURL

#include <curl/curl.h>

using bight::fd_event;
using bight::task;
using namespace std::chrono_literals;

namespace {

class transfer;

/// curl_multi_socket_action(3): libcurl says which of its sockets to watch, and when it wants to be called.
class multi {
  public:
    multi() : handle_(::curl_multi_init()) {
        REQUIRE(handle_ != nullptr);
        ::curl_multi_setopt(handle_, CURLMOPT_SOCKETFUNCTION, &multi::on_socket);
        ::curl_multi_setopt(handle_, CURLMOPT_SOCKETDATA, this);
        ::curl_multi_setopt(handle_, CURLMOPT_TIMERFUNCTION, &multi::on_timer);
        ::curl_multi_setopt(handle_, CURLMOPT_TIMERDATA, this);
    }
    multi(const multi&) = delete;
    multi& operator=(const multi&) = delete;
    ~multi() { ::curl_multi_cleanup(handle_); }

    /// Looks after its timer until it is cancelled.
    task<> run() {
        for (;;) {
            if (!deadline_) {
                co_await timer_changed_.wait();
                continue;
            }
            const auto left = *deadline_ - bight::now();
            const bool changed = co_await bight::try_with_timeout(timer_changed_.wait(), left);
            if (changed) continue;
            deadline_.reset();
            act(CURL_SOCKET_TIMEOUT, 0);
        }
    }

    CURLM* handle() const { return handle_; }
    std::size_t watched() { return watch_.list().size(); }

  private:
    static int on_socket(CURL*, curl_socket_t fd, int what, void* of, void*) {
        auto& self = *static_cast<multi*>(of);
        if (what == CURL_POLL_REMOVE) {
            self.watch_.remove(fd);
            return 0;
        }
        const fd_event interest = (what & CURL_POLL_IN ? fd_event::readable : fd_event::none) |
                                  (what & CURL_POLL_OUT ? fd_event::writable : fd_event::none);
        if (self.watch_.contains(fd)) {
            self.watch_.set_interest(fd, interest);
        } else {
            self.watch_.add(fd, interest, [&self, fd](fd_event ready) {
                self.act(fd, (includes(ready, fd_event::readable) ? CURL_CSELECT_IN : 0) |
                                 (includes(ready, fd_event::writable) ? CURL_CSELECT_OUT : 0));
            });
        }
        return 0;
    }
    static int on_timer(CURLM*, long milliseconds, void* of) {
        auto& self = *static_cast<multi*>(of);
        self.deadline_.reset();
        if (milliseconds >= 0) self.deadline_ = bight::now() + std::chrono::milliseconds(milliseconds);
        self.timer_changed_.set();
        return 0;
    }
    void act(curl_socket_t fd, int ready);

    CURLM* handle_;
    bight::fd_watch watch_;
    bight::auto_reset_event timer_changed_;
    std::optional<bight::time_point> deadline_;
};

class transfer {
  public:
    transfer(multi& in, const std::string& url, long milliseconds = 0) : in_(in), easy_(::curl_easy_init()) {
        REQUIRE(easy_ != nullptr);
        ::curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
        ::curl_easy_setopt(easy_, CURLOPT_NOPROXY, "*");
        ::curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
        ::curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, milliseconds);
        ::curl_easy_setopt(easy_, CURLOPT_PRIVATE, this);
        ::curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &transfer::on_data);
        ::curl_easy_setopt(easy_, CURLOPT_WRITEDATA, this);
        ::curl_multi_add_handle(in_.handle(), easy_);
    }
    transfer(const transfer&) = delete;
    transfer& operator=(const transfer&) = delete;
    ~transfer() {  // also one that has not ended
        ::curl_multi_remove_handle(in_.handle(), easy_);
        ::curl_easy_cleanup(easy_);
    }
    auto wait() { return ended_.wait(); }
    void end(CURLcode how) {
        result = how;
        ended_.set();
    }
    CURLcode result = CURLE_OK;
    std::string body;

  private:
    static std::size_t on_data(char* bytes, std::size_t size, std::size_t count, void* of) {
        static_cast<transfer*>(of)->body.append(bytes, size * count);
        return size * count;
    }

    multi& in_;
    CURL* easy_;
    bight::manual_reset_event ended_;
};

void multi::act(curl_socket_t fd, int ready) {
    int left = 0;
    ::curl_multi_socket_action(handle_, fd, ready, &left);
    while (const CURLMsg* const message = ::curl_multi_info_read(handle_, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        char* of = nullptr;
        ::curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &of);
        reinterpret_cast<transfer*>(of)->end(message->data.result);
    }
}

/// GET /N gives N bytes; GET /never nothing, until the client has gone.
task<> answer(bool& client_went, bight::stream peer) {
    bight::buffered_reader in(peer);
    while (auto line = co_await in.line()) {
        const std::string path = line->substr(4, line->find(' ', 4) - 4);
        for (auto header = co_await in.line(); header && !header->empty();) header = co_await in.line();
        if (path == "/never") {
            co_await bight::until_peer_gone(peer);
            client_went = true;
            co_return;
        }
        const std::string body(std::stoul(path.substr(1)), 'b');
        co_await peer.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n",
                            body);
    }
}

/// Runs `work(curl, url)` beside a server, where curl's timer is looked after.
template <class F>
void with_curl(test::reactor_fixture& on, bool& client_went, F work) {
    on.run([&]() -> task<> {
        bight::listener l = bight::listen("tcp:0:interface=127.0.0.1");
        const std::string url = "http://" + l.local().to_string() + "/";
        auto all = [&](bight::group& g) -> task<> {
            auto serving = [&]() -> task<> {
                auto each = [&](bight::group& connections) -> task<> {
                    for (;;) {
                        auto peer = co_await l.accept();
                        connections.spawn(answer, std::ref(client_went), std::move(peer));
                    }
                };
                co_await bight::with_group(each);
            };
            g.spawn(serving);
            {
                multi curl;
                auto timed = [&](bight::group& inner) -> task<> {
                    auto timers = [&]() -> task<> { co_await curl.run(); };
                    inner.spawn(timers);
                    co_await work(curl, url);
                    inner.cancel();
                };
                co_await bight::with_group(timed);
            }
            g.cancel();
        };
        co_await bight::with_group(all);
    });
}

}  // namespace

TEST_CASE("libcurl: many transfers at once, small and large, over connections that are kept") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    bool client_went = false;
    with_curl(on, client_went, [](multi& curl, const std::string& url) -> task<> {
        for (int round = 0; round < 2; ++round) {
            std::vector<std::unique_ptr<transfer>> all;
            const std::vector<std::size_t> sizes{0, 1, 1000, 70'000, 2'000'000, 5, 300'000, 17};
            for (const std::size_t size : sizes) {
                all.push_back(std::make_unique<transfer>(curl, url + std::to_string(size)));
            }
            for (std::size_t i = 0; i < all.size(); ++i) {
                co_await all[i]->wait();
                CHECK(all[i]->result == CURLE_OK);
                CHECK(all[i]->body == std::string(sizes[i], 'b'));
            }
        }
    });
}

TEST_CASE("libcurl: a transfer that is given up in the middle takes its socket away, and others go on") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    bool client_went = false;
    with_curl(on, client_went, [&](multi& curl, const std::string& url) -> task<> {
        auto never = std::make_unique<transfer>(curl, url + "never");
        transfer good(curl, url + "100");
        co_await good.wait();
        CHECK(good.body.size() == 100);
        while (curl.watched() == 0) co_await bight::yield();
        never.reset();
        while (!client_went) co_await bight::yield();
        CHECK(curl.watched() == 0);
    });
}

TEST_CASE(
    "libcurl: an address where nobody listens is an error of the transfer, and its time-outs are kept") {
    test::reactor_fixture on(GENERATE(from_range(test::real_reactors())));
    bool client_went = false;
    with_curl(on, client_went, [](multi& curl, const std::string& url) -> task<> {
        std::string refused;
        {
            const bight::listener gone = bight::listen("tcp:0:interface=127.0.0.1");
            refused = "http://" + gone.local().to_string() + "/1";
        }
        transfer nobody(curl, refused);
        co_await nobody.wait();
        CHECK(nobody.result == CURLE_COULDNT_CONNECT);

        transfer late(curl, url + "never", 50);
        co_await late.wait();
        CHECK(late.result == CURLE_OPERATION_TIMEDOUT);
    });
}

#else

TEST_CASE("libcurl: many transfers at once, small and large, over connections that are kept") {
    test::skip("this program is built without libcurl (libcurl4-openssl-dev)");
}

#endif
