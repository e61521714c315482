// What is sent is moved into the channel, and out of it.
// at most 22 lines
#include <bight/sync/priority_queue.hpp>
#include <bight/sync/channel.hpp>

#include <memory>
#include <string>

struct fixed {
    fixed() = default;
    fixed(const fixed&) = delete;
    bool operator<(const fixed&) const;
};

bight::task<> sends(bight::channel<int>& numbers, bight::channel<std::unique_ptr<int>>& owned,
                    std::unique_ptr<int> number, bight::priority_queue<int>& sorted) {
#ifdef MISTAKE
    bight::channel<fixed> of_fixed;               // says: an object that can be moved
    bight::channel<void> signals;                 // says: a channel that only gives signals
    bight::priority_queue<const int> constants;   // says: an object that can be moved
    co_await numbers.send(std::string("one"));    // says: cannot be made of this
    co_await owned.send(number);                  // says: std::move(x)
    co_await sorted.push("one");                  // says: cannot be made of this
#else
    bight::channel<std::unique_ptr<fixed>> of_fixed;
    co_await numbers.send(1);
    co_await owned.send(std::move(number));
    co_await sorted.push(1);
#endif
}
