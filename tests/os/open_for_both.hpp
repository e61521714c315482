// for_both: options of a file that is read and written.
#pragma once

#include <bight/os/file.hpp>

namespace test {

/// Reads and writes, and makes the file where there is none.
inline bight::open_options for_both() {
    bight::open_options options;
    options.access = bight::file_access::read_and_write;
    options.creation = bight::file_creation::if_missing;
    return options;
}

}  // namespace test
