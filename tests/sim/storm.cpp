// The chat and the broadcast sample in as many storms as are asked for.   storm [SEEDS [FIRST]]     10,000
// from 1 The last line is "N passed, N failed", in seeds.
#include "servers.hpp"
#include "storms.hpp"

#include <bight/sim/explore.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

int failed = 0;
unsigned long long passed = 0;

void explore(const char* name, void (*storm)(bight::sim::world&, const storms::server_program&),
             bight::task<> (*server)(), bight::sim::explore_options options) {
    options.name = name;
    const auto result = bight::sim::explore([&](bight::sim::world& w) { storm(w, server); }, options);
    passed += result.seeds - (result.ok() ? 0 : 1);
    failed += result.ok() ? 0 : 1;
    std::printf("%s: %s\n", name, result.summary().c_str());
    std::fflush(stdout);
}

unsigned long long number(int count, char** arguments, int at, unsigned long long otherwise) {
    return count > at ? std::strtoull(arguments[at], nullptr, 10) : otherwise;
}

}  // namespace

int main(int count, char** arguments) {
    bight::sim::explore_options options;
    options.seeds = number(count, arguments, 1, 10'000);
    options.first_seed = number(count, arguments, 2, 1);
    options.world = storms::options();
    options.directory = ".";
    explore("chat", storms::chat, chat_server, options);
    explore("broadcast", storms::broadcast, broadcast_server, options);
    std::printf("%llu passed, %d failed\n", passed, failed);
    return failed > 0;
}
