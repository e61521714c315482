// The faults of a simulated disk.
#include "simulated_demultiplexer.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace bight::sim::detail {

using bight::detail::file_operation;
using bight::detail::operation_kind;

namespace {

std::size_t bytes_of(const file_operation& op) noexcept {
    const bool reads = op.kind == operation_kind::read_at;
    if (op.piece_count == 0) return reads ? op.memory.size : op.bytes.size;
    std::size_t all = 0;
    for (std::size_t i = 0; i < op.piece_count; ++i) all += reads ? op.into[i].size : op.from[i].size;
    return all;
}

bool makes_a_name(const file_operation& op) noexcept {
    return op.kind == operation_kind::make_directory || op.kind == operation_kind::rename_path;
}

}  // namespace

// One that fails has done nothing; one that is cut short has done what it says.
std::int64_t simulated_demultiplexer::perform_on_disk(file_operation& op,
                                                      const disk_state::snapshot* covered) {
    world_state& w = host_.world;
    const auto happens = [&](fault f) { return w.happens(f, host_, thread_.chance); };
    const bool moves = op.kind == operation_kind::read_at || op.kind == operation_kind::write_at;
    std::size_t most = std::size_t(-1);
    if ((moves || op.kind == operation_kind::sync_file) && happens(fault::disk_error)) return -EIO;
    const bool makes = makes_a_name(op) || host_.disk.makes_a_file(op);
    if (makes && happens(fault::disk_full)) return -ENOSPC;
    if (const std::size_t size = moves ? bytes_of(op) : 0; size > 0) {
        const bool writes = op.kind == operation_kind::write_at;
        if (writes && happens(fault::disk_full)) {
            most = static_cast<std::size_t>(w.amount(fault::disk_full).between(0, size - 1));
            if (most == 0) return -ENOSPC;
        } else if (const fault f = writes ? fault::short_write : fault::short_read; size > 1 && happens(f)) {
            most = static_cast<std::size_t>(w.amount(f).between(1, size - 1));
        }
    }
    const std::int64_t result = host_.disk.perform(op, host_.new_descriptor(), covered, most);
    const bool opens = op.kind == operation_kind::open_file || op.kind == operation_kind::open_beneath;
    if (opens) (void)thread_.opened(static_cast<int>(result));
    return result;
}

}  // namespace bight::sim::detail
