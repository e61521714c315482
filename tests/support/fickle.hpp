// fickle: a type whose move constructor throws on demand.
#pragma once

#include <stdexcept>

namespace test {

/// Cannot be copied, and counts its objects. After `moves_left` further moves one move throws
/// std::runtime_error; none while that is negative.
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
