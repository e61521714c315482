// The command to run a failure again, as a Unix shell reads it.
#include "support/catch.hpp"
#include "support/connections.hpp"

#include "sim/replay_command.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace sim = bight::sim;

namespace {

// What a shell makes of the command: the value, and then the program and each of its arguments, a line each.
std::string read_by_a_shell(const std::string& command) {
    const test::temporary_directory place;
    const std::size_t value = std::string("BIGHT_SIM_SEED=").size();
    const std::size_t program = command[value] == '\'' ? command.find("' ", value) + 1 : command.find(' ');
    {
        std::ofstream script(place.file("script"));
        script << "show() { printf '%s\\n' \"$BIGHT_SIM_SEED\" \"$@\"; }\n"
               << command.substr(0, program) << " show" << command.substr(program) << "\n";
    }
    std::FILE* const shell = ::popen(("sh '" + place.file("script") + "'").c_str(), "r");
    REQUIRE(shell);
    std::string all;
    char buffer[4096];
    while (std::fgets(buffer, sizeof buffer, shell)) all += buffer;
    ::pclose(shell);
    return all;
}

}  // namespace

TEST_CASE("the command to run a failure again names this program with its arguments, as a shell reads it") {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    std::string arguments = all;
    std::replace(arguments.begin(), arguments.end(), '\0', '\n');
    const std::string command = sim::detail::replay_command("36:kinds=reset:faults=5d1c7a90b2e4f613");
    INFO(command);
    CHECK(command.starts_with("BIGHT_SIM_SEED=36:kinds=reset:faults=5d1c7a90b2e4f613 "));
    CHECK(command.find('\n') == std::string::npos);
    CHECK(read_by_a_shell(command) == "36:kinds=reset:faults=5d1c7a90b2e4f613\n" + arguments);
}

TEST_CASE("a long plan is broken into lines that a shell takes, and that explore reads") {
    std::string value = "7:faults=";
    for (int i = 0; i < 40; ++i)
        value += (i > 0 ? ",5d1c7a90b2e4f6" : "5d1c7a90b2e4f6") + std::to_string(10 + i);
    const std::string command = sim::detail::replay_command(value);
    INFO(command);
    std::istringstream lines(command);
    int count = 0;
    for (std::string line; std::getline(lines, line) && line.find("' ") == std::string::npos; ++count) {
        CHECK(line.size() <= 100);
    }
    CHECK(count >= 8);
    const std::string read = read_by_a_shell(command);
    CHECK(sim::detail::without_spaces(read).starts_with(value));
    CHECK(sim::detail::without_spaces(" 1:\n  kinds=a,\tb\r\n") == "1:kinds=a,b");
}
