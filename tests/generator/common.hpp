// What tests of generators share.
#pragma once

#include <bight/core/group.hpp>
#include <bight/core/task.hpp>
#include <bight/generator/generator.hpp>

namespace test {

inline bight::generator<int> count_to(int last) {
    for (int n = 1; n <= last; ++n) co_yield n;
}

template <class F>
bight::task<> in_group(F body) {
    co_await bight::with_group(body);
}

}  // namespace test
