// welcome: what the broadcast server says first.
#pragma once

#include <string>

namespace test {

inline std::string welcome(int number) {
    return "欢迎来到 Twisted World, 您是第 " + std::to_string(number) + " 个客户端用户!\n";
}

}  // namespace test
