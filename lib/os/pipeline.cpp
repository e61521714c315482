#include "child_launch.hpp"
#include "command_name.hpp"

#include <bight/net/owned_descriptor.hpp>
#include <bight/os/run_process.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace bight {

// The ends that the children have are closed here as soon as both have them: otherwise none would see an end.
std::vector<process> pipeline::spawn() const {
    std::vector<process> children;
    children.reserve(commands_.size());
    owned_descriptor input;
    for (std::size_t i = 0; i < commands_.size(); ++i) {
        command next = commands_[i];
        owned_descriptor output;
        owned_descriptor input_of_next;
        if (input) next.inherit(0, input.get());
        if (i + 1 < commands_.size()) {
            const detail::pipe_ends both =
                detail::open_pipe_for_children("process: a pipe behind " + detail::name_for_messages(next));
            input_of_next = owned_descriptor(both.reads);
            output = owned_descriptor(both.writes);
            next.inherit(1, output.get());
        }
        children.push_back(process::spawn(next));
        input = std::move(input_of_next);
    }
    return children;
}

}  // namespace bight
