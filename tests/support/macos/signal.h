// The system's, with functions for sets of signals, not macros that no "::" can stand before.
#pragma once

#include_next <signal.h>

#undef sigaddset
#undef sigdelset
#undef sigemptyset
#undef sigfillset
#undef sigismember
