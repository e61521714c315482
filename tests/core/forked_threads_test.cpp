// The threads of a forked child. ThreadSanitizer knows them where the parent has one thread: a file of its
// own.
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/task.hpp>
#include <bight/thread/offload.hpp>
#include <bight/thread/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/child.hpp"
#include "support/pools.hpp"

#include <string_view>
#include <thread>

using test::child;
using test::witness_pipe;

TEST_CASE("another thread of a forked child takes the locks that were held over the fork") {
    bight::thread_pool own;
    bight::set_log_handler(nullptr);
    child c([&](const witness_pipe&) {
        int seven = 0;
        std::thread other([&] {
            bight::set_log_handler([](bight::log_level, std::string_view, void*) {});
            auto job = [&]() -> bight::task<> {
                auto give_seven = [] { return 7; };
                const bight::offload_options on_own = test::on_pool(own);
                seven = co_await bight::offload(give_seven, on_own);
            };
            bight::reactor here;
            here.run(job());
        });
        other.join();
        return seven == 7 ? 0 : 1;
    });
    CHECK(c.exit_status() == 0);
}
