// serve_echo: what a host of a world runs that answers.
#pragma once

#include "support/echo.hpp"

#include <bight/net/serve.hpp>

namespace test {

inline bight::task<> serve_echo() { co_await bight::serve("tcp:7000", echo); }

}  // namespace test
