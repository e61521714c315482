// A service has a name, then a function that gives a task<>.
// at most 12 lines
#include <bight/service/service.hpp>

bight::task<> work();

void add(bight::service_tree& program, bight::service& parent) {
#ifdef MISTAKE
    program.add("work", work());                  // says: then a function that gives a task<>
    program.add(work, "work");                    // says: takes a name
    program.add("work", [] {});                   // says: add("web", [&] { return bight::serve(where, web); })
    program.add("work", [](int) { return work(); });  // says: takes a service& or nothing
    parent.add("work", [](bight::service&) {});   // says: add(name, run, options)
#else
    program.add("work", work);
    program.add("work", [](bight::service&) { return work(); });
    parent.add("work", work, {.restarts = 1});
#endif
}
