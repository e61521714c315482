// A call on another reactor takes that reactor, then a function, then what the function takes.
// at most 15 lines
#include <bight/thread/on.hpp>
#include <bight/thread/runtime.hpp>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

bight::task<int> count();
bight::task<int> insert(std::vector<int>& all, int n);
int size_of(std::unique_ptr<int> one);

// A function of the user's own, found by its arguments as bight's is, is not hidden by what says this.
namespace user {
int on(bight::runtime& cores, int number);
}  // namespace user

bight::task<> calls(bight::reactor& there, bight::runtime& cores, std::vector<int>& all,
                    std::unique_ptr<int> one) {
#ifdef MISTAKE
    auto call = [] { return count(); };
    (void)co_await bight::on(call, there);             // says: takes the reactor first
    (void)co_await bight::on(cores, count);            // says: on(cores.reactor(0), f)
    (void)co_await bight::on(0, count);                // says: on(cores.reactor(0), f)
    (void)co_await bight::on(&there, count);           // says: takes the reactor first
    (void)co_await bight::on(there, count());          // says: work for work()
    (void)co_await bight::on(there);                   // says: then a function
    (void)co_await bight::on(there, insert, all, 5);   // says: std::ref(x) for a parameter T&
    (void)co_await bight::on(there, insert);           // says: called there with these arguments
    (void)co_await bight::on(there, size_of, one);     // says: as std::move(x)
#else
    using namespace user;
    (void)on(cores, 0);
    (void)co_await bight::on(cores.reactor(0), count);
    (void)co_await bight::on(there, insert, std::ref(all), 5);
    (void)co_await bight::on(there, size_of, std::move(one));
#endif
}
