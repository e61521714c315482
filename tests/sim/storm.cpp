// The chat and the broadcast sample, and the servers that bugs are planted in, in as many storms as are asked
// for.   storm [SEEDS [FIRST [NAME]]]     10,000 from 1; NAME: only that one The last line is "N passed, N
// failed", in seeds.
#include "servers.hpp"
#include "storms.hpp"

#include "planted/chat.hpp"
#include "planted/sharded_chat.hpp"

#include <bight/sim/explore.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

std::string only;
int failed = 0;
unsigned long long passed = 0;

template <class Storm>
void explore(const char* name, Storm storm, bight::sim::explore_options options) {
    if (!only.empty() && only != name) return;
    options.name = name;
    const auto result = bight::sim::explore(storm, options);
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
    if (count > 3) only = arguments[3];
    options.directory = ".";
    const auto planted_right = planted::chat_server<planted::chat_bug::none>;
    explore("chat", [](auto& w) { storms::chat(w, chat_server); }, options);
    explore("broadcast", [](auto& w) { storms::broadcast(w, broadcast_server); }, options);
    explore("chat with queues", [=](auto& w) { storms::chat(w, planted_right); }, options);
    explore(
        "chat on several reactors",
        [](auto& w) {
            storms::chat_at(w, [](bight::sim::host& server) {
                server.on_boot([] {
                    return planted::sharded_chat_server<planted::sharded_chat_bug::none>(
                        bight::sharding::hand_over);
                });
            });
        },
        options);
    explore("store", [](auto& w) { storms::store(w, planted::store_bug::none); }, options);
    explore("queue", [](auto& w) { storms::queue(w, planted::queue_bug::none); }, options);
    explore("journal", [](auto& w) { storms::journal(w, planted::journal_bug::none); }, options);
    std::printf("%llu passed, %d failed\n", passed, failed);
    return failed > 0;
}
