// on_destruction: a child process says when a scope has gone.
#pragma once

#include "child.hpp"

#include <string_view>

namespace test {

/// Says `text` when it is destroyed.
struct on_destruction {
    const witness_pipe& to;
    std::string_view text;
    ~on_destruction() { to.say(text); }
};

}  // namespace test
