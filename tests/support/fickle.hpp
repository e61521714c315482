// A value that moves, until told otherwise.
#pragma once

#include <stdexcept>

namespace test {

/// Cannot be copied, counts itself, and throws std::runtime_error from the move after `moves_left` others;
/// once, and never while that is negative.
class fickle {
  public:
    explicit fickle(int v) : value(v) { ++living; }
    fickle(fickle&& other) : value(other.value) {
        if (moves_left == 0) {
            moves_left = -1;
            throw std::runtime_error("not moved");
        }
        if (moves_left > 0) --moves_left;
        other.value = 0;
        ++living;
    }
    ~fickle() { --living; }

    int value;
    static inline int moves_left = -1;
    static inline int living = 0;
};

inline bool operator<(const fickle& a, const fickle& b) { return a.value < b.value; }

}  // namespace test
