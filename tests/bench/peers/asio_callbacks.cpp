// An echo server as a user of Asio writes it, with callbacks. usage: asio_callbacks PORT
#include "bench.hpp"

#include <asio.hpp>

#include <memory>

namespace {

using asio::ip::tcp;

class session : public std::enable_shared_from_this<session> {
  public:
    explicit session(tcp::socket peer) : peer_(std::move(peer)) {}

    void read() {
        peer_.async_read_some(asio::buffer(buffer_),
                              [self = shared_from_this()](auto error, std::size_t got) {
                                  if (!error) self->write(got);
                              });
    }

  private:
    void write(std::size_t size) {
        asio::async_write(peer_, asio::buffer(buffer_, size),
                          [self = shared_from_this()](auto error, std::size_t) {
                              if (!error) self->read();
                          });
    }

    tcp::socket peer_;
    char buffer_[65536];
};

void accept(tcp::acceptor& where) {
    where.async_accept([&where](auto error, tcp::socket peer) {
        if (!error) {
            peer.set_option(tcp::no_delay(true));
            std::make_shared<session>(std::move(peer))->read();
        }
        accept(where);
    });
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bench::raise_descriptor_limit();
    const auto port = static_cast<asio::ip::port_type>(bench::number(count, arguments, 1, 7000, 65535));
    asio::io_context context(1);
    tcp::acceptor where(context, {asio::ip::address_v4::loopback(), port});
    accept(where);
    context.run();
}
