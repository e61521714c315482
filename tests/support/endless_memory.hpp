// endless_memory: as many bytes as one likes, that cost no memory until they are written.
#pragma once

#include "catch.hpp"

#include <bight/io/buffer.hpp>

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#endif

#include <cstddef>

namespace test {

class endless_memory {
  public:
    explicit endless_memory(std::size_t size) : size_(size), bytes_(reserve(size)) { REQUIRE(bytes_); }
    endless_memory(const endless_memory&) = delete;
    endless_memory& operator=(const endless_memory&) = delete;
    ~endless_memory() { release(bytes_, size_); }
    bight::const_buffer all() const { return bight::const_buffer(bytes_, size_); }
    void* bytes() const { return bytes_; }

  private:
#ifdef _WIN32
    static void* reserve(std::size_t size) {
        return ::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    }
    static void release(void* bytes, std::size_t) { ::VirtualFree(bytes, 0, MEM_RELEASE); }
#else
    static void* reserve(std::size_t size) {
        void* const bytes =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return bytes == MAP_FAILED ? nullptr : bytes;
    }
    static void release(void* bytes, std::size_t size) { ::munmap(bytes, size); }
#endif

    std::size_t size_;
    void* bytes_;
};

}  // namespace test
