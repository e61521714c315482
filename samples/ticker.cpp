// Dots, while another thread works.   ticker [SECONDS OF WORK [SECONDS UNTIL THE STOP]]
//
// The work takes ten seconds, and all is stopped after three: what still runs then is left behind, with its
// result.
#include <bight/bight.hpp>
#include <bight/os/standard_streams.hpp>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using seconds = std::chrono::duration<double>;

std::string sleep(seconds time) {  // as what knows nothing of coroutines does
    std::this_thread::sleep_for(time);
    return "ok";
}

bight::task<> work(bight::outbox& out, seconds time) {
    const auto call = [time] { return sleep(time); };
    const std::string result = co_await bight::offload_abandonable(call);
    out.send(result + "\n");
}

bight::task<> run_dots(bight::outbox& out) {
    bight::interval every(100ms);
    for (;;) {
        co_await every.tick();
        out.send(".");
    }
}

bight::task<> ticker(seconds time, seconds until_stop) {
    bight::stream output = bight::standard_output();
    bight::outbox out(output);
    co_await bight::with_group([&](bight::group& all) -> bight::task<> {
        all.spawn(work, std::ref(out), time);
        all.spawn(run_dots, std::ref(out));
        out.send("go go end\n");
        co_await bight::sleep_for(until_stop);
        all.cancel();
    });
    out.send("\n");
    co_await out.flush();  // tells when something was not written
}

int main(int argc, char** argv) {
    const seconds time(argc > 1 ? std::atof(argv[1]) : 10);
    const seconds until_stop(argc > 2 ? std::atof(argv[2]) : 3);
    return bight::run(ticker(time, until_stop));
}
