// For systems that do not fork.
#include "demultiplexer.hpp"

#include <memory>

namespace bight::detail {

// Never called: there are no children.
std::unique_ptr<event_port> demultiplexer::heir_in_child(reactor&) { return nullptr; }

}  // namespace bight::detail
