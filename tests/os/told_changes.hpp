// What a file_watch tells, as text.
#pragma once

#include "own_directory.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include <bight/core/task.hpp>
#include <bight/os/file_watch.hpp>

#include <string>
#include <vector>

namespace test {

/// On each real demultiplexer.
template <class F>
void on_each(F body) {
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run(body);
    }
}

/// "created a", "moved a b/": below `own`.
inline std::string text_of(const bight::file_event& e, const std::string& own) {
    const auto name = [&](const std::string& path) {
        return path.size() > own.size() ? path.substr(own.size() + 1) : std::string(".");
    };
    const std::string end = name(e.path) + (e.is_directory ? "/" : "");
    switch (e.what) {
        case bight::file_change::created: return "created " + end;
        case bight::file_change::changed: return "changed " + end;
        case bight::file_change::moved: return "moved " + name(e.old_path) + " " + end;
        case bight::file_change::removed: return "removed " + end;
        default: return "overflow";
    }
}

/// The next events until one is `last`; changes are left out.
inline bight::task<std::vector<std::string>> until(bight::file_watch& watch, std::string own,
                                                   std::string last) {
    std::vector<std::string> all;
    for (;;) {
        const bight::file_event e = co_await watch.next();
        if (e.what == bight::file_change::changed) continue;
        all.push_back(text_of(e, own));
        if (all.back() == last) co_return all;
    }
}

template <class... Texts>
bight::task<> expect(bight::file_watch& watch, std::string own, Texts... texts) {
    const std::vector<std::string> wanted{texts...};
    const std::vector<std::string> got = co_await until(watch, own, wanted.back());
    CHECK(got == wanted);
}

}  // namespace test
