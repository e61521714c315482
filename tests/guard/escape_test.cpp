#include <bight/sim/guard.hpp>

#include "support/catch.hpp"

#include <bight/bight.hpp>
#include <bight/sim/world.hpp>

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <spawn.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <thread>

using bight::task;
using Catch::Contains;
namespace sim = bight::sim;

namespace {

template <class F>
void run_in_a_world(F use) {
    sim::world w(1);
    w.add("host").run([&]() -> task<> {
        co_await bight::yield();
        use();
    });
    w.run();
}

}  // namespace

TEST_CASE("a simulated program that reads the machine's clock is caught, with its host and line") {
    CHECK_THROWS_AS(run_in_a_world([] { (void)std::chrono::steady_clock::now(); }), sim::escaped);
    CHECK_THROWS_WITH(run_in_a_world([] { (void)std::chrono::system_clock::now(); }),
                      Contains("host host called clock_gettime") && Contains("escape_test.cpp:34"));
    CHECK_THROWS_AS(run_in_a_world([] { (void)::time(nullptr); }), sim::escaped);
}

TEST_CASE("a simulated program that starts a thread, sleeps or opens a socket is caught") {
    CHECK_THROWS_WITH(run_in_a_world([] { std::thread([] {}).join(); }), Contains("pthread_create"));
    CHECK_THROWS_WITH(run_in_a_world([] { std::this_thread::sleep_for(std::chrono::nanoseconds(1)); }),
                      Contains("sleep"));
    CHECK_THROWS_WITH(run_in_a_world([] { ::close(::socket(AF_INET, SOCK_STREAM, 0)); }), Contains("socket"));
}

TEST_CASE("a simulated program that takes chance from elsewhere is caught") {
    CHECK_THROWS_WITH(run_in_a_world([] { (void)std::rand(); }), Contains("called rand,"));
    CHECK_THROWS_WITH(run_in_a_world([] { (void)::random(); }), Contains("called random,"));
    CHECK_THROWS_WITH(run_in_a_world([] { (void)::drand48(); }), Contains("drand48"));
    CHECK_THROWS_WITH(run_in_a_world([] {
                          char bytes[8];
                          (void)!::getrandom(bytes, sizeof bytes, 0);
                      }),
                      Contains("getrandom"));
    CHECK_THROWS_WITH(run_in_a_world([] {
                          char bytes[8];
                          (void)!::getentropy(bytes, sizeof bytes);
                      }),
                      Contains("getentropy"));
    CHECK_THROWS_WITH(run_in_a_world([] { (void)std::random_device()(); }), Contains("std::random_device"));
}

TEST_CASE("a simulated program that opens a file is caught, however it does") {
    CHECK_THROWS_WITH(run_in_a_world([] { ::close(::open("/dev/null", O_RDONLY)); }),
                      Contains("called open"));
    CHECK_THROWS_WITH(run_in_a_world([] { ::close(::openat(AT_FDCWD, "/dev/null", O_RDONLY)); }),
                      Contains("called openat"));
    CHECK_THROWS_WITH(run_in_a_world([] { std::fclose(std::fopen("/dev/null", "r")); }), Contains("fopen"));
    CHECK_THROWS_AS(run_in_a_world([] { const std::ifstream file("/dev/null"); }), sim::escaped);
}

TEST_CASE("a simulated program that looks a name up is caught") {
    CHECK_THROWS_WITH(run_in_a_world([] {
                          addrinfo* found = nullptr;
                          addrinfo numbers{};
                          numbers.ai_flags = AI_NUMERICHOST;
                          if (::getaddrinfo("127.0.0.1", "1", &numbers, &found) == 0) ::freeaddrinfo(found);
                      }),
                      Contains("getaddrinfo"));
}

TEST_CASE("a simulated program that starts a process is caught") {
    CHECK_THROWS_WITH(run_in_a_world([] {
                          const pid_t child = ::fork();
                          if (child == 0) ::_exit(0);
                          ::waitpid(child, nullptr, 0);
                      }),
                      Contains("called fork"));
    CHECK_THROWS_WITH(run_in_a_world([] {
                          pid_t child = -1;
                          char name[] = "true";
                          char* const arguments[] = {name, nullptr};
                          if (::posix_spawnp(&child, name, nullptr, nullptr, arguments, ::environ) == 0)
                              ::waitpid(child, nullptr, 0);
                      }),
                      Contains("posix_spawnp"));
}

TEST_CASE("a simulated program that sleeps in the kernel is caught") {
    CHECK_THROWS_WITH(run_in_a_world([] { ::poll(nullptr, 0, 0); }), Contains("called poll"));
    CHECK_THROWS_WITH(run_in_a_world([] {
                          timeval none{};
                          ::select(0, nullptr, nullptr, nullptr, &none);
                      }),
                      Contains("called select"));
}

TEST_CASE("what the world gives is not the machine's") {
    CHECK_NOTHROW(run_in_a_world([] {
        (void)bight::reactor::current()->now();
        (void)bight::wall_clock_now();
        (void)bight::random();
    }));
}

TEST_CASE("outside of a world nothing is caught") {
    CHECK(std::chrono::steady_clock::now().time_since_epoch().count() > 0);
    std::thread([] {}).join();
    const int file = ::open("/dev/null", O_WRONLY);
    CHECK(::write(file, "x", 1) == 1);
    CHECK(::close(file) == 0);
    unsigned differ = 0;
    std::random_device device;
    for (int i = 0; i < 64; ++i) differ |= device() ^ device();
    CHECK(differ != 0);
    std::srand(7);
    const int first = std::rand();
    std::srand(7);
    CHECK(std::rand() == first);
}
