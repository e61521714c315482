// What a group or a reactor starts gives a task<>; what a reactor is posted is called without arguments.
// at most 14 lines
#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/sleep.hpp>

struct room {
    bight::task<> run();
};
bight::task<> work(int number);
bight::task<int> answer();

void start(bight::group& g, bight::reactor& r, room& here) {
    using namespace std::chrono_literals;
#ifdef MISTAKE
    g.spawn([] {});                     // says: must give a task<>
    g.spawn(work);                      // says: called with these
    g.spawn(&room::run);                // says: spawn(f, arguments...)
    g.spawn(answer());                  // says: must give a task<>
    g.spawn(bight::sleep_for(1s));      // says: must give a task<>
    g.spawn(&room::run, here, 1);       // says: std::ref(x)
    r.start([] {});                     // says: start(f, arguments...)
    r.post(work(1));                    // says: a task is started there
    r.post(work);                       // says: without arguments
#else
    g.spawn([]() -> bight::task<> { co_return; });
    g.spawn(work, 1);
    g.spawn(&room::run, std::ref(here));
    r.start(work, 1);
    r.post([&r] { r.start(work, 1); });
#endif
}
