// Which of the changes of tests/mutants/sites is made: the environment variable BIGHT_MUTANT says it when the
// program starts. mutants.py puts this in front of the copies of the library's files that it compiles.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace bight::mutants {

struct choice {
    unsigned number = 0;
    char* reached = nullptr;

    choice() noexcept {
        const int before = errno;
        if (const char* chosen = std::getenv("BIGHT_MUTANT"))
            number = static_cast<unsigned>(std::strtoul(chosen, nullptr, 10));
        if (const char* file = std::getenv("BIGHT_MUTANTS_REACHED")) map(file);
        errno = before;
    }

    // A byte for each number, in a file that the processes which a test starts share.
    void map(const char* file) noexcept {
        const int fd = ::open(file, O_RDWR | O_CLOEXEC);
        if (fd < 0) return;
        void* const got = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (got != MAP_FAILED) reached = static_cast<char*>(got);
        ::close(fd);
    }
};

inline bool chosen(unsigned number) noexcept {
    static const choice made;
    if (made.reached) made.reached[number] = 1;
    return number == made.number;
}

}  // namespace bight::mutants
