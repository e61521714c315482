// main() runs a task; a runtime copies the function that makes one; a pool runs what is no task.
// at most 14 lines
#include <bight/core/group.hpp>
#include <bight/core/run.hpp>
#include <bight/core/sleep.hpp>
#include <bight/thread/block_on.hpp>
#include <bight/thread/offload.hpp>
#include <bight/thread/runtime.hpp>

using namespace std::chrono_literals;

bight::task<> work();
bight::task<> body(bight::group& g);
int computed(int from);

int programs(bight::runtime& cores, bight::reactor& r) {
#ifdef MISTAKE
    const int one = bight::run(work);                  // says: run(program())
    const int two = bight::run([] { return work(); });     // says: call the function or the lambda
    const int three = bight::run(bight::with_group(body));   // says: what is to be awaited and is no task
    const int four = bight::run(cores);                     // says: run(task), or run(task, run_options), takes a task
    const int five = cores.run(work());                     // says: a function or a lambda that gives a task
    const int six = cores.run([] {});                      // says: runtime::run(f)
    r.run(work);                                     // says: run(program())
    bight::block_on(work());                         // says: block_on(r, work())
    bight::block_on(work(), r);                      // says: takes a reactor
    const bight::runtime fixed(4);                    // says: bight::runtime cores({.reactors = 4})
    return one + two + three + four + five + six;
#else
    bight::block_on(r, work());
    r.run(work());
    return bight::run(work()) + cores.run(work);
#endif
}

bight::task<int> offloaded(int from) {
#ifdef MISTAKE
    int value = co_await bight::offload(computed(from));  // says: not its result
    value += co_await bight::offload(computed, from);     // says: captures its arguments
    co_await bight::offload(work());                      // says: the function or the lambda
    co_await bight::offload(work);                        // says: a task runs on its reactor
    co_return value;
#else
    co_return co_await bight::offload([=] { return computed(from); });
#endif
}
