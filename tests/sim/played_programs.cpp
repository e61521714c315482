#include "played_programs.hpp"

#include <signal.h>

#include <charconv>

namespace test {

namespace {

using bight::task;
using bight::sim::child;

int number_in(const std::string& text) {
    int number = -1;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

task<> for_ever() {
    for (;;) co_await bight::sleep_for(std::chrono::hours(1));
}

task<int> exits_with(child& self) { co_return number_in(self.arguments().at(1)); }

task<int> shows_arguments(child& self) {
    std::string text;
    for (std::size_t i = 1; i < self.arguments().size(); ++i) text += "<" + self.arguments()[i] + ">";
    co_await self.standard_output().write(text);
    co_return 0;
}

task<int> copies(child& self) {
    while (auto part = co_await self.standard_input().read_some()) {
        co_await self.standard_output().write(part.view());
    }
    co_return 0;
}

task<int> says_both(child& self) {
    co_await self.standard_output().write(self.arguments().at(1));
    co_await self.standard_error().write(self.arguments().at(2));
    co_return number_in(self.arguments().at(3));
}

task<int> repeats(child& self) {
    for (;;) co_await self.standard_output().write("y\n");
}

task<int> variable(child& self) {
    const auto value = self.variable(self.arguments().at(1));
    if (!value) co_return 1;
    co_await self.standard_output().write(std::string(*value) + "\n");
    co_return 0;
}

task<int> where(child& self) {
    co_await self.standard_output().write(self.directory() + "\n");
    co_return 0;
}

task<int> waits_for_ever(child&) {
    co_await for_ever();
    co_return 0;
}

task<int> stubborn(child& self) {
    self.ignore(SIGTERM);
    co_await self.standard_output().write("ready\n");
    co_await for_ever();
    co_return 0;
}

task<int> cleans_up(child& self) {
    bight::signal_watch told{SIGTERM};
    co_await self.standard_output().write("ready\n");
    co_await told.next();
    co_await self.standard_output().write("bye\n");
    co_return 5;
}

task<int> raises(child& self) {
    co_await self.raise(number_in(self.arguments().at(1)));
    co_return 99;
}

task<int> crosses(child& self) {
    while (auto part = co_await self.descriptor(3).read_some()) {
        co_await self.descriptor(4).write(part.view());
    }
    co_return 0;
}

task<int> closes(child& self) {
    self.close(1);
    co_await for_ever();
    co_return 0;
}

task<int> lists(child& self) {
    std::string text;
    for (const int n : self.descriptors()) {
        if (n < 8) text += std::to_string(n) + " ";
    }
    co_await self.standard_output().write(text);
    co_return 0;
}

// A child of the child that holds its output.
task<int> leaves(child& self) {
    const bight::process left = bight::process::spawn(bight::command("waits"));
    co_await self.standard_output().write("left\n");
    co_await self.raise(SIGKILL);
    co_return 0;
}

task<int> first_line(child& self) {
    bight::line_reader lines(self.standard_input(), "\n");
    const auto line = co_await lines.next();
    co_await self.standard_output().write(*line + "\n");
    co_return 0;
}

}  // namespace

const std::vector<played_program>& played_programs() {
    static const std::vector<played_program> all{
        {"exits", "exit $1", exits_with},
        {"shows", "printf '<%s>' \"$@\"", shows_arguments},
        {"copies", "exec cat", copies},
        {"says", "printf %s \"$1\"; printf %s \"$2\" >&2; exit $3", says_both},
        {"repeats", "exec yes", repeats},
        {"variable", "exec printenv \"$1\"", variable},
        {"where", "exec pwd", where},
        {"waits", "exec sleep 60", waits_for_ever},
        {"stubborn", "trap '' TERM; echo ready; exec sleep 60", stubborn},
        {"cleans-up", "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.02; done", cleans_up},
        {"raises", "kill -$1 $$; exit 99", raises},
        {"crosses", "exec cat <&3 >&4", crosses},
        {"closes", "exec >&-; exec sleep 60", closes},
        {"lists", "for n in 0 1 2 3 4 5 6 7; do [ -e /proc/$$/fd/$n ] && printf '%s ' $n; done", lists},
        {"leaves", "sleep 60 & echo left; kill -9 $$", leaves},
        {"first-line", "read line; echo $line", first_line},
    };
    return all;
}

}  // namespace test
