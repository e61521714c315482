// What tests use of it: see unsupported.hpp.
#pragma once

#include "../unsupported.hpp"
