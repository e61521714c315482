// Passes on what one client sends to all the others, as a user of Asio writes it: one copy of the message,
// and a queue and one write at a time for each client. usage: asio_broadcast PORT
#include "bench.hpp"

#include <asio.hpp>

#include <deque>
#include <memory>
#include <set>

namespace {

using asio::ip::tcp;
using message = std::shared_ptr<const std::string>;

class session : public std::enable_shared_from_this<session> {
  public:
    explicit session(tcp::socket peer) : peer_(std::move(peer)) {}

    void start() {
        everybody().insert(shared_from_this());
        read();
    }

  private:
    static std::set<std::shared_ptr<session>>& everybody() {
        static std::set<std::shared_ptr<session>> all;
        return all;
    }

    void read() {
        peer_.async_read_some(asio::buffer(buffer_),
                              [self = shared_from_this()](auto error, std::size_t got) {
                                  if (error) {
                                      everybody().erase(self);
                                      return;
                                  }
                                  const auto text = std::make_shared<const std::string>(self->buffer_, got);
                                  for (const auto& other : everybody()) {
                                      if (other != self) other->send(text);
                                  }
                                  self->read();
                              });
    }

    void send(message text) {
        queue_.push_back(std::move(text));
        if (queue_.size() == 1) write();
    }

    void write() {
        asio::async_write(peer_, asio::buffer(*queue_.front()),
                          [self = shared_from_this()](auto error, std::size_t) {
                              if (error) return;
                              self->queue_.pop_front();
                              if (!self->queue_.empty()) self->write();
                          });
    }

    tcp::socket peer_;
    char buffer_[4096];
    std::deque<message> queue_;
};

void accept(tcp::acceptor& where) {
    where.async_accept([&where](auto error, tcp::socket peer) {
        if (!error) {
            peer.set_option(tcp::no_delay(true));
            std::make_shared<session>(std::move(peer))->start();
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
