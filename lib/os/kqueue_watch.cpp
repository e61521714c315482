// file_watch on macOS and the BSDs.
#include "kqueue_source.hpp"
#include "listed_files.hpp"

#include <bight/core/reactor.hpp>

#include <memory>

namespace bight::detail {

std::unique_ptr<file_watcher> make_system_watcher() {
    return std::make_unique<listed_files>(std::make_unique<kqueue_source>(*reactor::current()));
}

}  // namespace bight::detail
