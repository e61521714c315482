#include <bight/net/sharded_listener.hpp>

#include "bound_socket.hpp"
#include "connection_hub.hpp"
#include "listening_socket.hpp"

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace bight {

namespace detail {

struct sharded_sockets {
    sharded_sockets(runtime& runs_on, endpoint e, const listen_options& o)
        : on(runs_on), where(std::move(e)), options(o) {}

    void bind();
    bool bind_each();
    void bind_one();

    runtime& on;
    endpoint where;
    const listen_options options;
    address local;
    std::vector<bound_socket> own;        // reuse_port: one for each reactor
    std::shared_ptr<connection_hub> hub;  // hand_over
};

namespace {

bool is_tcp(const endpoint& e) noexcept {
    return e.kind == endpoint::kind_type::tcp || e.kind == endpoint::kind_type::tcp6;
}

}  // namespace

void sharded_sockets::bind() {
    if (options.sharding != sharding::hand_over && bind_each()) return;
    if (options.sharding == sharding::reuse_port) {
        throw std::system_error(std::make_error_code(std::errc::operation_not_supported),
                                "SO_REUSEPORT for " + where.to_string());
    }
    bind_one();
}

// Binds a socket for each reactor. False when the system has no SO_REUSEPORT for them.
bool sharded_sockets::bind_each() {
    if (!is_tcp(where)) return false;
    // SO_REUSEPORT would also let another program of this user bind the address, or a second instance of this
    // one: a probe without it detects that.
    if (!where.reuse_port && where.port != 0) const bound_socket probe(where, options);
    where.reuse_port = true;
    try {
        while (own.size() < on.size()) {
            own.emplace_back(where, options);
            where.port = own.front().local().port();
        }
    } catch (const std::system_error& e) {
        if (!own.empty() ||
            (e.code() != std::errc::no_protocol_option && e.code() != std::errc::operation_not_supported)) {
            throw;
        }
        where.reuse_port = false;
        return false;
    }
    local = own.front().local();
    return true;
}

void sharded_sockets::bind_one() {
    bound_socket one(where, options);
    local = one.local();
    if (is_tcp(where)) where.port = local.port();
    hub = std::make_shared<connection_hub>(where, options, std::move(one), on.size());
}

}  // namespace detail

using detail::sharded_sockets;

sharded_listener::sharded_listener(runtime& on, const endpoint& where, const listen_options& options) {
    auto made = std::make_unique<sharded_sockets>(on, where, options);
    made->bind();
    sockets_ = made.release();
}

sharded_listener::sharded_listener(runtime& on, std::string_view where, const listen_options& options)
    : sharded_listener(on, endpoint::parse(where), options) {}

sharded_listener::~sharded_listener() { delete sockets_; }

listener sharded_listener::listen() {
    const std::size_t index = sockets_->on.index_here();
    if (index == sockets_->on.size()) {
        throw std::system_error(errc::wrong_thread,
                                "sharded_listener::listen is called on a reactor of its runtime");
    }
    if (sockets_->hub) return sockets_->hub->open(index);
    detail::bound_socket& mine = sockets_->own[index];
    if (!mine) mine = detail::bound_socket(sockets_->where, sockets_->options);
    return listener(std::move(mine).listen(sockets_->where, sockets_->options));
}

address sharded_listener::local() const { return sockets_->local; }

bight::sharding sharded_listener::sharding() const noexcept {
    return sockets_->hub ? bight::sharding::hand_over : bight::sharding::reuse_port;
}

}  // namespace bight
