// Forwards whatever a client sends, byte for byte, to all the others.   broadcast [ENDPOINT]
// Then: telnet 127.0.0.1 8006     A client that sends "close" is disconnected.
#include <bight/bight.hpp>

#include <cstdio>
#include <list>
#include <string>

struct client {
    std::string id;
    bight::outbox outbox;
};

struct hall {
    std::list<client> clients;
    int total = 0;  // clients that ever came
};

// Eight random letters and digits.
std::string random_id() {
    std::string id;
    while (id.size() < 8) id += "abcdefghijklmnopqrstuvwxyz0123456789"[bight::random_below(36)];
    return id;
}

// A client is in the hall while this lives.
class visit {
  public:
    visit(hall& h, bight::stream& peer) : hall_(h), number_(++h.total) {
        me_ = hall_.clients.insert(hall_.clients.end(), client{random_id(), bight::outbox(peer)});
        std::printf("new connect: %d\n", number_);
        std::printf("client %s, %zu here\n", me_->id.c_str(), hall_.clients.size());
        me_->outbox.send("欢迎来到 Twisted World, 您是第 " + std::to_string(number_) + " 个客户端用户!\n");
    }
    visit(const visit&) = delete;
    ~visit() {
        std::printf("lost connect: %s, %zu here\n", me_->id.c_str(), hall_.clients.size() - 1);
        hall_.clients.erase(me_);
    }

    void spread(const bight::chunk& bytes) {
        std::printf("spread message from %s\n", me_->id.c_str());
        const bight::payload message(bytes);  // copied once for all
        for (client& other : hall_.clients)
            if (&other != &*me_) other.outbox.send(message);
    }

  private:
    hall& hall_;
    int number_;
    std::list<client>::iterator me_;
};

bool says_close(std::string_view text) { return text == "close" || text == "close\n" || text == "close\r\n"; }

bight::task<> broadcast(hall& hall, bight::stream peer) {
    visit here(hall, peer);
    while (auto bytes = co_await peer.read_some()) {
        if (says_close(bytes.view())) break;
        here.spread(bytes);
    }
}

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IONBF, 0);  // at once, into a pipe too
    hall hall;
    return bight::run(bight::serve(argc > 1 ? argv[1] : "tcp:8006", broadcast, std::ref(hall)));
}
