#include "process.hpp"

#include <pthread.h>

namespace bight::detail {

namespace {

unsigned generation = 1;  // changes where there is one thread only

}  // namespace

unsigned this_process() noexcept {
    static const int registered = ::pthread_atfork(nullptr, nullptr, [] { ++generation; });
    (void)registered;
    return generation;
}

}  // namespace bight::detail
