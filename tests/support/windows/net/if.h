// The names of interfaces, as POSIX lists them.
#pragma once

#include "../posix.hpp"
