// retry calls a function for each attempt.
// at most 14 lines
#include <bight/core/retry.hpp>

#include <system_error>

bight::task<> work();
bight::task<> numbered(int number);
bool again(std::error_code why);
bool once_more(const std::exception_ptr& why);

bight::task<> attempts(const bight::retry_policy& policy) {
#ifdef MISTAKE
    co_await bight::retry(policy, work());       // says: a function that gives a task each time that it is called
    co_await bight::retry(work, policy);         // says: retry(policy, f)
    co_await bight::retry(3, work);              // says: takes a retry_policy
    co_await bight::retry(policy, numbered);     // says: without arguments or with a retry_attempt
    co_await bight::retry(policy, [] {});        // says: that gives a task
    co_await bight::retry(policy, work, again);  // says: bool(const std::exception_ptr&)
#else
    co_await bight::retry({.max_attempts = 3}, work);
    co_await bight::retry(policy, [](bight::retry_attempt attempt) { return numbered(int(attempt.number)); });
    co_await bight::retry(policy, work, once_more);
#endif
}
