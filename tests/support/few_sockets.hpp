// few_sockets: makes the process run out of sockets soon.
#pragma once

#ifdef _WIN32
#include "windows/socket_faults.hpp"
#else
#include "few_descriptors.hpp"

namespace test {

/// While it lives, only this many more descriptors, and so sockets, can be opened.
using few_sockets = few_descriptors;

}  // namespace test
#endif
