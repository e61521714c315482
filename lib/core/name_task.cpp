#include <bight/core/name_task.hpp>

#include <bight/core/detail/job.hpp>
#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>

namespace bight {

namespace {

constexpr std::size_t longest_name = 200;

// At the beginning of a character of UTF-8.
std::size_t cut_at(std::string_view name) noexcept {
    std::size_t at = longest_name;
    while (at > 0 && (static_cast<unsigned char>(name[at]) & 0xc0) == 0x80) --at;
    return at;
}

std::string made_harmless(std::string_view name) {
    if (name.size() <= longest_name) return detail::printable(name);
    return detail::printable(name.substr(0, cut_at(name))) + "…";
}

}  // namespace

void name_task(std::string_view name, std::source_location where) {
    const reactor* const here = reactor::current();
    detail::job* const running = here ? detail::reactor_access::running_job(*here) : nullptr;
    if (!running) {
        throw std::logic_error(detail::describe_location(where) +
                               ": name_task was called outside of tasks: it names the task that calls it");
    }
    running->set_name(made_harmless(name));
}

}  // namespace bight
