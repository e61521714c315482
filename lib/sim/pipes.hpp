// simulated_pipe: a pipe of a simulated host, and what else its children may have for a descriptor.
#pragma once

#include "socket.hpp"

#include "../demux/operation.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace bight::sim::detail {

struct host_state;
struct world_state;

/// One buffer, with any number of descriptors at both ends (each a `socket` of its own, which waits by
/// itself). The end comes when the last writer has gone, EPIPE when the last reader has.
struct simulated_pipe {
    enum class medium : std::uint8_t {
        buffer,
        null,    ///< /dev/null: nothing to read, and writes go nowhere
        output,  ///< the output of the host's own programs: the trace has what is written
    };

    medium is = medium::buffer;
    std::string bytes;
    std::vector<socket*> ends;  ///< that are open

    /// As of Linux.
    static constexpr std::size_t capacity = 65536;
    std::size_t room() const noexcept { return capacity - bytes.size(); }
    bool has_reader() const noexcept;
    bool has_writer() const noexcept;
};

/// A new descriptor of the pipe, with random numbers `by`: its number, or -EMFILE.
int open_end(host_state& on, std::shared_ptr<simulated_pipe> of, bool writes, keyed_chance by);
/// Whether this descriptor is one of a pipe, or the like.
inline bool is_end(const socket& s) noexcept { return s.pipe != nullptr; }
/// How many bytes were read, 0 at the end; -EAGAIN, -EBADF.
std::int64_t read_end(world_state& w, socket& from, char* to, std::size_t size);
/// Writes what fits, at once: how many bytes.
std::size_t write_end(world_state& w, socket& to, std::string_view bytes);
/// An operation of kind `write`: whether it has ended.
bool write_end(world_state& w, bight::detail::send_operation& op, const std::shared_ptr<socket>& to);
/// Whether a read would give something.
bool is_readable(const socket& s) noexcept;
/// Whether a write would.
bool is_writable(const socket& s) noexcept;
/// Nobody has the other side any more.
bool hung_up(const socket& s) noexcept;
/// The descriptor is closed, or another one that is no socket.
void let_go_of_end(socket& s);

}  // namespace bight::sim::detail
