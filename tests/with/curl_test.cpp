// libcurl, whose multi interface brings its own descriptors, against a server on bight in the same thread.
#include "net/serving.hpp"
#include "support/cancellable.hpp"
#include "support/catch.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using bight::task;
using namespace std::chrono_literals;

namespace {

// Serves a multi handle: curl_multi_socket_action is called when a descriptor of libcurl's is ready, or its
// timer is due.
class curl_driver {
  public:
    curl_driver() : multi_(curl_multi_init()) {
        REQUIRE(multi_);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &watch_socket);
        curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &set_timer);
        curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    }
    curl_driver(const curl_driver&) = delete;
    curl_driver& operator=(const curl_driver&) = delete;
    ~curl_driver() { curl_multi_cleanup(multi_); }

    task<> run() { (void)co_await bight::when_any(watch_.run(), run_timer()); }
    // Cancelling takes the transfer back.
    task<CURLcode> transfer(CURL* easy) {
        const bight::deferred<CURLcode> done;
        curl_easy_setopt(easy, CURLOPT_PRIVATE, &done);
        const auto take_back = [this](CURL* of) { curl_multi_remove_handle(multi_, of); };
        const std::unique_ptr<CURL, decltype(take_back)> added(easy, take_back);
        CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
        co_return co_await done;
    }
    std::size_t watched() const { return watch_.list().size(); }

  private:
    // libcurl may not see an exception: the transfer fails instead.
    static int watch_socket(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept {
        auto& own = *static_cast<curl_driver*>(self);
        if (what == CURL_POLL_REMOVE) {
            own.watch_.remove(fd);
            return 0;
        }
        const bight::fd_interest wanted{.readable = (what & CURL_POLL_IN) != 0,
                                        .writable = (what & CURL_POLL_OUT) != 0};
        try {
            own.watch_.add(fd, wanted, [&own, fd](bight::fd_readiness now) {
                own.act(fd, (now.readable ? CURL_CSELECT_IN : 0) | (now.writable ? CURL_CSELECT_OUT : 0) |
                                (now.failed ? CURL_CSELECT_ERR : 0));
            });
            return 0;
        } catch (const std::exception&) {
            return -1;
        }
    }
    static int set_timer(CURLM*, long milliseconds, void* self) noexcept {
        auto& own = *static_cast<curl_driver*>(self);
        own.due_.reset();
        if (milliseconds >= 0) own.due_ = bight::now() + std::chrono::milliseconds(milliseconds);
        own.timer_changed_.set();
        return 0;
    }

    // libcurl may set the timer again in the call that it asked for.
    task<> run_timer() {
        for (;;) {
            const bight::time_point due = due_.value_or(bight::time_point::max());
            (void)co_await bight::when_any(bight::sleep_until(due), timer_changed_.wait());
            if (!due_ || *due_ > bight::now()) continue;
            due_.reset();
            act(CURL_SOCKET_TIMEOUT, 0);
        }
    }
    void act(curl_socket_t fd, int what) {
        int number = 0;
        CHECK(curl_multi_socket_action(multi_, fd, what, &number) == CURLM_OK);
        while (const CURLMsg* const message = curl_multi_info_read(multi_, &number)) {
            if (message->msg != CURLMSG_DONE) continue;
            const bight::deferred<CURLcode>* done = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &done);
            done->set_value(message->data.result);
        }
    }

    CURLM* multi_;
    bight::fd_watch watch_;
    bight::auto_reset_event timer_changed_;
    std::optional<bight::time_point> due_;
};

using easy_handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

std::size_t append(const char* bytes, std::size_t, std::size_t count, void* to) {
    static_cast<std::string*>(to)->append(bytes, count);
    return count;
}

easy_handle get(const std::string& url, std::string& body) {
    easy_handle easy(curl_easy_init(), &curl_easy_cleanup);
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &append);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &body);
    return easy;
}

// Answers "GET /N" with N bytes, and "GET /never" never.
task<> answer(bight::stream peer) {
    bight::line_reader lines(peer);
    while (const auto request = co_await lines.next()) {
        for (;;) {
            const auto header = co_await lines.next();
            if (!header) co_return;
            if (header->empty()) break;
        }
        const std::string what(request->substr(5, request->find(' ', 5) - 5));
        if (what == "never") co_await bight::sleep_for(1h);
        const std::string body(std::stoul(what), 'b');
        co_await peer.write("HTTP/1.1 200 OK\r\nContent-Length: ", what, "\r\n\r\n", body);
    }
}

// Runs `body(driver, url)` beside a driver and such a server, on each demultiplexer.
template <class Body>
void with_libcurl(Body body) {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    on.run([&]() -> task<> {
        auto beside = [&](const std::string& where) -> task<> {
            curl_driver driver;
            const std::string url = "http://127.0.0.1" + where.substr(where.rfind(':')) + "/";
            (void)co_await bight::when_any(driver.run(), body(driver, url));
        };
        co_await test::beside_server(test::quick_drain(), answer, beside);
    });
}

}  // namespace

TEST_CASE("libcurl: many transfers at once, whose descriptors and timers a reactor serves") {
    with_libcurl([](curl_driver& driver, const std::string& url) -> task<> {
        constexpr std::size_t count = 12;
        std::vector<std::string> bodies(count);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            auto fetch = [&](std::size_t i) -> task<> {
                for (int round = 0; round < 2; ++round) {
                    bodies[i].clear();
                    const auto easy = get(url + std::to_string(i * 40'000), bodies[i]);
                    const CURLcode code = co_await driver.transfer(easy.get());
                    CHECK(code == CURLE_OK);
                    CHECK(bodies[i] == std::string(i * 40'000, 'b'));
                }
            };
            for (std::size_t i = 0; i < count; ++i) g.spawn(fetch, i);
            co_return;
        });
    });
}

TEST_CASE("libcurl: its time-outs and errors come to the tasks that await its transfers") {
    with_libcurl([](curl_driver& driver, const std::string& url) -> task<> {
        std::string body;
        const auto late = get(url + "never", body);
        curl_easy_setopt(late.get(), CURLOPT_TIMEOUT_MS, 30L);
        const CURLcode timed_out = co_await driver.transfer(late.get());
        CHECK(timed_out == CURLE_OPERATION_TIMEDOUT);
        const auto refused = get("http://127.0.0.1:1/", body);
        const CURLcode code = co_await driver.transfer(refused.get());
        CHECK(code == CURLE_COULDNT_CONNECT);
        CHECK(body.empty());
    });
}

TEST_CASE("libcurl: a task that is cancelled takes its transfer back, and others go on") {
    with_libcurl([](curl_driver& driver, const std::string& url) -> task<> {
        std::string never;
        const auto hangs = get(url + "never", never);
        co_await bight::with_group([&](bight::group& g) -> task<> {
            test::cancellable one;
            auto fetch = [&]() -> task<> { (void)co_await driver.transfer(hangs.get()); };
            g.spawn(one.run(fetch()));
            while (driver.watched() == 0) co_await bight::yield();
            std::string body;
            const auto other = get(url + "1000", body);
            const CURLcode code = co_await driver.transfer(other.get());
            CHECK(code == CURLE_OK);
            CHECK(body.size() == 1000);
            one.cancel();
            while (one.running()) co_await bight::yield();
            CHECK_FALSE(one.ended());
        });
        CHECK(never.empty());
    });
}
