// Runs the program of one page: docs_programs docs/tutorial/hello.md [ARGUMENT...]
#include "docs/program.hpp"

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
    if (argc > 1)
        for (const docs::program* p = docs::program::first; p != nullptr; p = p->next)
            if (std::string_view(argv[1]) == p->page)
                return p->run_alone ? p->run_alone() : p->run_with(argc - 1, argv + 1);
    std::fputs("usage: docs_programs PAGE [ARGUMENT...]; the pages with a program:\n", stderr);
    for (const docs::program* p = docs::program::first; p != nullptr; p = p->next)
        std::fprintf(stderr, "  %s\n", p->page);
    return 2;
}
