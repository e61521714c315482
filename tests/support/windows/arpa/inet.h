// What tests use of it: see posix.hpp.
#pragma once

#include "../posix.hpp"
