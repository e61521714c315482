// What tests use of it: the names of interfaces, which Windows lists in another way.
#pragma once

#include "support/skip.hpp"

struct if_nameindex {
    unsigned if_index;
    const char* if_name;
};

namespace test::posix {

[[noreturn]] inline struct ::if_nameindex* if_nameindex() { skip("Windows has no if_nameindex()"); }
inline void if_freenameindex(struct ::if_nameindex*) {}

}  // namespace test::posix

using test::posix::if_freenameindex;
using test::posix::if_nameindex;
