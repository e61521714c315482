// bight: tools for those who run programs made with bight. `bight doctor` says whether they will run here.
#include "doctor.hpp"
#include "this_machine.hpp"

#include <bight/core/error.hpp>

#include <CLI/CLI.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>

namespace {

// What scripts rely on: docs/howto/doctor.md.
enum status : int { status_fine = 0, status_problems = 1, status_usage = 2 };

int cannot_print() {
    std::perror("bight: standard output");
    return status_usage;
}

int print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
        return status_fine;
    return cannot_print();
}

int doctor_of_this_machine(const doctor::examination_options& options, bool json) {
    // What a reactor would say of a demultiplexer that it cannot have is among the findings.
    bight::set_log_handler([](bight::log_level, std::string_view, void*) {});
    const doctor::this_machine here;
    const doctor::findings all = doctor::examine(here, options);
    const int printed = print(json ? doctor::to_json(here, all) : doctor::to_text(here, all));
    if (printed != status_fine) return printed;
    return doctor::worst(all) == doctor::state::problem ? status_problems : status_fine;
}

}  // namespace

int main(int argc, char** argv) try {
    // Before a reactor puts /dev/null in the place of a descriptor that is missing.
    if (::fcntl(STDOUT_FILENO, F_GETFD) < 0) return cannot_print();
    CLI::App app("Tools for those who run programs made with bight.", "bight");
    app.set_version_flag("--version", "bight " BIGHT_VERSION);
    app.require_subcommand(1);
    CLI::App& examine =
        *app.add_subcommand("doctor", "Says whether programs will run well here, and what to do if not");
    bool json = false;
    doctor::examination_options options;
    examine.add_flag("--json", json, "The findings as JSON");
    examine.add_option("--connections", options.connections, "How many a program is to have at a time")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32));
    examine.footer(
        "Exit status: 0 if there is no problem (notes are none), 1 if there are problems, 2 if it was called "
        "wrongly.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        const int status = app.exit(e) == 0 ? status_fine : status_usage;
        return std::cout.flush() ? status : cannot_print();
    }
    return doctor_of_this_machine(options, json);
} catch (const std::exception& e) {
    std::fprintf(stderr, "bight: %s\n", e.what());
    return status_usage;
}
