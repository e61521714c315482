// bight: tools for those who run programs made with bight. `bight doctor` says whether they will run here.
#include "doctor.hpp"
#include "this_machine.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>

namespace {

// What scripts rely on: docs/howto/doctor.md.
enum status : int { status_fine = 0, status_problems = 1, status_usage = 2 };

int print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
        return status_fine;
    std::perror("bight: standard output");
    return status_usage;
}

int doctor_of_this_machine(const doctor::examination_options& options, bool json) {
    const doctor::this_machine here;
    const doctor::findings all = doctor::examine(here, options);
    const int printed = print(json ? doctor::to_json(here, all) : doctor::to_text(here, all));
    if (printed != status_fine) return printed;
    return doctor::worst(all) == doctor::state::problem ? status_problems : status_fine;
}

}  // namespace

int main(int argc, char** argv) try {
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
        return app.exit(e) == 0 ? status_fine : status_usage;
    }
    return doctor_of_this_machine(options, json);
} catch (const std::exception& e) {
    std::fprintf(stderr, "bight: %s\n", e.what());
    return status_usage;
}
