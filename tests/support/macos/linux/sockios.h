// Only Linux tells how many bytes a socket has not sent: the test case that asks is skipped.
#pragma once

#include "support/skip.hpp"

#define SIOCOUTQ (test::skip("only Linux tells what a socket has not sent (SIOCOUTQ)"), 0)
