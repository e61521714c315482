// What tests use of it: see unsupported.hpp.
#pragma once
