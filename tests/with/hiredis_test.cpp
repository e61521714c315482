// hiredis, whose asynchronous contexts bring their own descriptors, against a real redis-server.
#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/connections.hpp"
#include "support/reactors.hpp"

#include <bight/bight.hpp>
#include <bight/net/fd_watch.hpp>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using bight::task;

namespace {

// A server that keeps nothing, at a Unix socket; its log goes to the test.
class redis_server {
  public:
    redis_server()
        : socket_(directory_.file("redis")), process_([this](const test::witness_pipe& pipe) {
              pipe.take_standard_error();
              ::dup2(STDERR_FILENO, STDOUT_FILENO);
              ::prctl(PR_SET_PDEATHSIG, SIGKILL);
              ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_.c_str(),
                       "--save", "", "--appendonly", "no", "--logfile", "/dev/stderr", nullptr);
              return 99;
          }) {
        if (!process_.has_said("eady to accept connections")) test::skip("there is no redis-server here");
    }
    const std::string& socket() const { return socket_; }
    void end() const { process_.send(SIGKILL); }

  private:
    test::temporary_directory directory_;
    std::string socket_;
    test::child process_;
};

// A connection. hiredis says by four functions what is to be told of its descriptor.
class redis_connection {
  public:
    redis_connection(bight::fd_watch& watch, const std::string& socket)
        : watch_(watch), context_(redisAsyncConnectUnix(socket.c_str())) {
        if (!context_ || context_->err != 0) throw std::runtime_error("redisAsyncConnectUnix");
        context_->data = this;
        context_->ev.data = this;
        context_->ev.addRead = [](void* self) { want(self, &bight::fd_interest::readable, true); };
        context_->ev.delRead = [](void* self) { want(self, &bight::fd_interest::readable, false); };
        context_->ev.addWrite = [](void* self) { want(self, &bight::fd_interest::writable, true); };
        context_->ev.delWrite = [](void* self) { want(self, &bight::fd_interest::writable, false); };
        context_->ev.cleanup = [](void* self) { of(self).forget(); };
        redisAsyncSetConnectCallback(context_, [](const redisAsyncContext* c, int status) {
            if (status == REDIS_OK) of(c->data).connected_.set_value();
        });
        redisAsyncSetDisconnectCallback(context_, [](const redisAsyncContext* c, int status) {
            of(c->data).disconnected_.set_value(status);
        });
    }
    redis_connection(const redis_connection&) = delete;
    redis_connection& operator=(const redis_connection&) = delete;
    ~redis_connection() {
        if (context_) redisAsyncFree(context_);
    }

    bight::deferred<> connected() const { return connected_; }
    // REDIS_OK: in good order.
    bight::deferred<int> disconnected() const { return disconnected_; }
    void disconnect() { redisAsyncDisconnect(context_); }

    // Calls `told` with each reply; an empty text for none, when the connection has ended.
    template <class... Words>
    void send(std::function<void(const std::string&)> told, const Words&... words) {
        const std::array<std::string_view, sizeof...(words)> all{std::string_view(words)...};
        std::array<const char*, sizeof...(words)> texts{};
        std::array<std::size_t, sizeof...(words)> sizes{};
        for (std::size_t i = 0; i < all.size(); ++i) {
            texts[i] = all[i].data();
            sizes[i] = all[i].size();
        }
        const auto reply = [](redisAsyncContext*, void* got, void* index) {
            (**static_cast<told_function*>(index))(text_of(static_cast<const redisReply*>(got)));
        };
        told_.push_back(std::make_unique<told_function>(
            std::make_unique<std::function<void(const std::string&)>>(std::move(told))));
        CHECK(redisAsyncCommandArgv(context_, reply, told_.back().get(), static_cast<int>(all.size()),
                                    texts.data(), sizes.data()) == REDIS_OK);
    }
    template <class... Words>
    bight::deferred<std::string> call(const Words&... words) {
        bight::deferred<std::string> answer;
        send([answer](const std::string& text) { answer.try_set_value(text); }, words...);
        return answer;
    }

  private:
    using told_function = std::unique_ptr<std::function<void(const std::string&)>>;

    static redis_connection& of(void* self) { return *static_cast<redis_connection*>(self); }
    static std::string text_of(const redisReply* reply) {
        if (!reply) return {};
        if (reply->type == REDIS_REPLY_INTEGER) return std::to_string(reply->integer);
        if (reply->type != REDIS_REPLY_ARRAY) return std::string(reply->str, reply->len);
        std::string all;
        for (std::size_t i = 0; i < reply->elements; ++i) {
            all += (i > 0 ? " " : "") + text_of(reply->element[i]);
        }
        return all;
    }

    // hiredis may not see an exception: nothing more is told of the descriptor then.
    static void want(void* self, bool bight::fd_interest::*what, bool wanted) noexcept {
        auto& own = of(self);
        if (std::exchange(own.wanted_.*what, wanted) == wanted) return;
        try {
            if (!std::exchange(own.is_watched_, true)) {
                own.watch_.add(own.context_->c.fd, own.wanted_,
                               [&own](bight::fd_readiness now) { own.go_on(now); });
            } else {
                own.watch_.change(own.context_->c.fd, own.wanted_);
            }
        } catch (const std::exception& e) {
            FAIL_CHECK(e.what());
        }
    }
    // Reading may end the connection.
    void go_on(bight::fd_readiness now) {
        if (now.readable) redisAsyncHandleRead(context_);
        if (now.writable && context_) redisAsyncHandleWrite(context_);
    }
    void forget() noexcept {
        watch_.remove(context_->c.fd);
        context_ = nullptr;
    }

    bight::fd_watch& watch_;
    redisAsyncContext* context_;
    bight::fd_interest wanted_;
    bool is_watched_ = false;
    bight::deferred<> connected_;
    bight::deferred<int> disconnected_;
    std::vector<std::unique_ptr<told_function>> told_;
};

}  // namespace

TEST_CASE("hiredis: commands in a row, subscriptions, and the end of a connection") {
    const redis_server server;
    for (const auto kind : test::demultiplexers()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        bight::fd_watch watch;
        auto converse = [&]() -> task<> {
            redis_connection one(watch, server.socket());
            co_await one.connected();
            const std::string flushed = co_await one.call("FLUSHALL");
            CHECK(flushed == "OK");
            std::vector<bight::deferred<std::string>> answers;
            for (int i = 0; i < 1000; ++i) answers.push_back(one.call("INCR", "counter"));
            const std::string large = co_await one.call("SET", "large", std::string(3'000'000, 'l'));
            CHECK(large == "OK");
            for (int i = 0; i < 1000; ++i) {
                const std::string answer = co_await answers[static_cast<std::size_t>(i)];
                CHECK(answer == std::to_string(i + 1));
            }
            const std::string back = co_await one.call("GET", "large");
            CHECK(back == std::string(3'000'000, 'l'));

            // One connection waits for what another says; its end is told, too.
            std::vector<std::string> heard;
            bight::auto_reset_event hears;
            const auto hear = [&](const std::string& text) {
                heard.push_back(text);
                hears.set();
            };
            redis_connection listener(watch, server.socket());
            listener.send(hear, "SUBSCRIBE", "news");
            co_await hears.wait();
            const std::string reached = co_await one.call("PUBLISH", "news", "hello");
            CHECK(reached == "1");
            while (heard.size() < 2) co_await hears.wait();
            CHECK(heard == std::vector<std::string>{"subscribe news 1", "message news hello"});

            CHECK(watch.list().size() == 2);
            one.disconnect();
            const int status = co_await one.disconnected();
            CHECK(status == REDIS_OK);
            CHECK(watch.list().size() == 1);
        };
        on.run([&]() -> task<> { (void)co_await bight::when_any(watch.run(), converse()); });
        CHECK(watch.list().empty());
    }
}

TEST_CASE("hiredis: a server that goes away is told to who waits, and nothing is watched any more") {
    test::reactor_fixture on(GENERATE(from_range(test::demultiplexers())));
    const redis_server server;
    bight::fd_watch watch;
    auto converse = [&]() -> task<> {
        redis_connection one(watch, server.socket());
        co_await one.connected();
        const bight::deferred<std::string> never = one.call("BLPOP", "nothing", "0");
        server.end();
        const std::string answer = co_await never;
        CHECK(answer.empty());
        const int status = co_await one.disconnected();
        CHECK(status == REDIS_ERR);
        CHECK(watch.list().empty());
    };
    on.run([&]() -> task<> { (void)co_await bight::when_any(watch.run(), converse()); });
}
