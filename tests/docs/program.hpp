// program: a program in a document, found by the name of its page.
#pragma once

namespace docs {

/// Enters a program in the table of main.cpp.
struct program {
    program(const char* page, int (*run)()) : page(page), run_alone(run), next(first) { first = this; }
    program(const char* page, int (*run)(int, char**)) : page(page), run_with(run), next(first) {
        first = this;
    }

    const char* page;
    int (*run_alone)() = nullptr;
    int (*run_with)(int, char**) = nullptr;
    const program* next;

    inline static const program* first = nullptr;
};

}  // namespace docs
