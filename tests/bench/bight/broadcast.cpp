// Passes on what one client sends to all the others, as the sample of that name does. usage: broadcast PORT
#include "bench.hpp"

#include <bight/bight.hpp>

#include <list>

namespace {

using hall = std::list<bight::outbox>;

// A client is in the hall while this lives.
class visit {
  public:
    visit(hall& in, bight::stream& peer) : hall_(in), mine_(in.emplace(in.end(), peer)) {}
    visit(const visit&) = delete;
    ~visit() { hall_.erase(mine_); }

    void spread(const bight::chunk& bytes) {
        const bight::payload message(bytes);  // copied once for all
        for (bight::outbox& other : hall_)
            if (&other != &*mine_) other.send(message);
    }

  private:
    hall& hall_;
    hall::iterator mine_;
};

bight::task<> broadcast(hall& in, bight::stream peer) {
    visit here(in, peer);
    while (auto bytes = co_await peer.read_some()) here.spread(bytes);
}

}  // namespace

int main(int count, char** arguments) {
    bench::live_at_most(600);
    bench::raise_descriptor_limit();
    const unsigned port = bench::number(count, arguments, 1, 7000, 65535);
    hall everybody;
    return bight::run(bight::serve("tcp:127.0.0.1:" + std::to_string(port), broadcast, std::ref(everybody)));
}
