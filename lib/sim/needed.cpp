// Compiled into each program that asks for bight_sim_dep. It names what makes BIGHT_REACTOR=sim:SEED known, and nothing
// else in a program does: without it a linker would leave that out of an archive, and a shared library altogether.
extern "C" const bool bight_offers_simulation;

namespace {

[[gnu::used]] const bool* const needed = &bight_offers_simulation;

}  // namespace
