// What the tests of the chat sample share.
#pragma once

#include "server.hpp"

#include <string>

namespace test {

inline const std::string question = "What's your name?\r\n";
inline const std::string taken = "Name taken, please choose another.\r\n";
inline std::string welcome(const std::string& name) { return "Welcome, " + name + "!\r\n"; }

/// A client that has got in with its first name.
inline client join(server& chat, const std::string& name, int receive_buffer = 0) {
    client c = chat.connect(receive_buffer);
    REQUIRE(c.send(name + "\r\n"));
    const std::string expected = question + welcome(name);
    REQUIRE(c.read(expected.size()) == expected);
    return c;
}

/// A client that asks for `name` until the server has noticed that whoever had it has left.
inline client join_when_free(server& chat, const std::string& name) {
    client c = chat.connect();
    REQUIRE(c.read_line() == question);
    for (const auto until = deadline(); steady::now() < until;) {
        REQUIRE(c.send(name + "\r\n"));
        const std::string answer = c.read_line();
        if (answer == welcome(name)) return c;
        REQUIRE(answer == taken);
    }
    FAIL("the name " << name << " is not free again");
    return c;
}

/// Whether what `from` says reaches `to`, as the next line that `to` gets.
inline bool hears(client& to, client& from, const std::string& name, const std::string& text) {
    const std::string expected = "<" + name + "> " + text + "\r\n";
    return from.send(text + "\r\n") && to.read(expected.size()) == expected;
}

}  // namespace test
