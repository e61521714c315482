#include "messages.hpp"

#include "connection.hpp"
#include "host_state.hpp"
#include "world_state.hpp"

#include "../io/socket_headers.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace bight::sim::detail {

namespace {

#if defined(SCM_RIGHTS)

constexpr int too_many_on_their_way = ETOOMANYREFS;

// The descriptors of control data.
std::vector<int> listed_in(const void* control, std::size_t size) {
    std::vector<int> all;
    msghdr message{};
    message.msg_control = const_cast<void*>(control);
    message.msg_controllen = static_cast<decltype(message.msg_controllen)>(size);
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const auto* const first = CMSG_DATA(c);
        for (std::size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
            all.push_back(-1);
            std::memcpy(&all.back(), first + i * sizeof(int), sizeof(int));
        }
    }
    return all;
}

std::size_t room_in(const void* control, std::size_t size) noexcept {
    if (!control || size < CMSG_LEN(sizeof(int))) return 0;
    return (size - CMSG_LEN(0)) / sizeof(int);
}

// Gives the size of what is there then.
std::size_t put_into(void* control, const std::vector<int>& all) noexcept {
    if (all.empty()) return 0;
    const std::size_t size = all.size() * sizeof(int);
    auto* const header = static_cast<cmsghdr*>(control);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(size));
    std::memcpy(CMSG_DATA(header), all.data(), size);
    return CMSG_LEN(size);
}

#else  // no operation has control data here

constexpr int too_many_on_their_way = EMFILE;

std::vector<int> listed_in(const void*, std::size_t) { return {}; }
std::size_t room_in(const void*, std::size_t) noexcept { return 0; }
std::size_t put_into(void*, const std::vector<int>&) noexcept { return 0; }

#endif

// Puts each into the table once more. 0, or what is wrong; then none is there.
int send_on_its_way(host_state& on, std::vector<int>& descriptors) {
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
        const auto s = on.find(descriptors[i]);
        const int copy = s ? on.add(s) : -EBADF;
        if (copy >= 0) {
            descriptors[i] = copy;
            continue;
        }
        for (std::size_t sent = 0; sent < i; ++sent) on.close(descriptors[sent]);
        return s ? -too_many_on_their_way : -EBADF;
    }
    return 0;
}

// What has come, as far as there is room; the rest is closed, which is true then.
bool hand_over(host_state& on, std::vector<int> came, void* control, std::size_t& size) {
    const std::size_t most = std::min(came.size(), room_in(control, size));
    for (std::size_t i = most; i < came.size(); ++i) on.close(came[i]);
    const bool all = most == came.size();
    came.resize(most);
    size = put_into(control, came);
    return !all;
}

}  // namespace

int send_along(host_state& on, const bight::detail::control_along& with, std::vector<int>& descriptors) {
    descriptors = listed_in(with.data, with.size);
    return -send_on_its_way(on, descriptors);
}

void receive_along(host_state& on, bight::detail::control_along* into, std::vector<int> came) {
    if (!into) {
        for (const int fd : came) on.close(fd);
        return;
    }
    into->arrived = true;
    into->cut_off = hand_over(on, std::move(came), into->data, into->size);
}

std::size_t until_descriptors(const socket& s, std::size_t size) noexcept {
    if (s.passed.empty()) return size;
    const passed_descriptors& next = s.passed.front();
    return next.place >= s.read + size ? size : std::min<std::size_t>(size, next.end - s.read);
}

void drop_descriptors(socket& s) {
    while (!s.passed.empty() && s.passed.front().place < s.read) {
        const std::vector<int> unwanted = std::move(s.passed.front().descriptors);
        s.passed.pop_front();
        for (const int fd : unwanted) s.home->close(fd);
    }
}

void drop_all_descriptors(socket& s) {
    for (const passed_descriptors& unwanted : std::exchange(s.passed, {})) {
        for (const int fd : unwanted.descriptors) s.home->close(fd);
    }
}

bool send_message(bight::detail::send_message_operation& op, const std::shared_ptr<socket>& s) {
    world_state& w = s->home->world;
    const const_buffer bytes = op.piece_count > 0 ? *op.pieces : const_buffer();
    const std::shared_ptr<socket> to = s->peer;
    if (s->family != AF_UNIX || op.piece_count > 1) {
        op.result = -ENOSYS;
    } else if (s->is != socket::stage::connected || s->end_asked || !to) {
        op.result = s->is == socket::stage::fresh ? -ENOTCONN : -EPIPE;
    } else if (w.happens(fault::no_buffers, *s, s->written)) {
        op.result = -ENOBUFS;
    } else {
        std::size_t size = std::min(bytes.size, room(*s));
        if (size == 0 && bytes.size > 0) return false;
        if (size > 1 && w.happens(fault::short_write, *s, s->written)) {
            size = static_cast<std::size_t>(w.amount(fault::short_write).between(1, size - 1));
        }
        std::vector<int> descriptors = listed_in(op.control, op.control_size);
        const int error = send_on_its_way(*s->home, descriptors);
        if (error == 0 && !descriptors.empty()) {
            const std::uint64_t place = to->read + to->incoming.size();
            to->passed.push_back({place, place + size, std::move(descriptors)});
        }
        if (error == 0) give(w, s, {static_cast<const char*>(bytes.data), size});
        op.result = error < 0 ? error : static_cast<std::int64_t>(size);
    }
    return true;
}

bool receive_message(bight::detail::receive_message_operation& op, socket& s) {
    world_state& w = s.home->world;
    op.control_size = 0;
    op.address_size = 0;
    op.flags = 0;
    if (s.family != AF_UNIX || op.piece_count != 1) {
        op.result = -ENOSYS;
        return true;
    }
    if (s.incoming.empty()) {
        op.result = -std::exchange(s.error, 0);
        return op.result < 0 || s.end_came || s.is == socket::stage::closed;
    }
    std::size_t size = std::min(s.incoming.size(), op.pieces->size);
    if (size > 1 && w.happens(fault::short_read, s, s.read)) {
        size = static_cast<std::size_t>(w.amount(fault::short_read).between(1, size - 1));
    }
    size = until_descriptors(s, size);
    std::copy_n(s.incoming.data(), size, static_cast<char*>(op.pieces->data));
    s.incoming.erase(0, size);
    s.read += size;
    if (!s.passed.empty() && s.passed.front().place < s.read) {
        std::vector<int> came = std::move(s.passed.front().descriptors);
        s.passed.pop_front();
        op.control_size = op.control_room;
        if (hand_over(*s.home, std::move(came), op.control, op.control_size)) op.flags = MSG_CTRUNC;
    }
    op.result = static_cast<std::int64_t>(size);
    taken(w, s);
    return true;
}

}  // namespace bight::sim::detail
