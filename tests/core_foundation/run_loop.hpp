// What tests ask the stand-in for Core Foundation.
#pragma once

#include <CoreFoundation/CoreFoundation.h>

namespace test {

/// How many objects of Core Foundation's there are: each must be released.
long& live_core_foundation_objects();
/// Releases the run loop of this thread.
void forget_run_loop();

}  // namespace test
