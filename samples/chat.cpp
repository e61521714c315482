// A chat room: what one says, the others hear.   chat [ENDPOINT]     then: telnet 127.0.0.1 8123
//
// A client has two states, choosing a name and chatting, which are two parts of one coroutine. The destructor
// of a seat handles leaving, whatever the reason.
#include <bight/bight.hpp>

#include <map>
#include <string>

class seat;

// The clients by name. All connections run on one thread, so it needs no lock.
class room {
  public:
    bool has(const std::string& name) const { return seats_.contains(name); }
    void tell_others(const seat& speaker, const bight::payload& line);

  private:
    friend class seat;
    std::map<std::string, seat*> seats_;
};

// A client's place in the room, with what is still to be sent to it. A client that does not read is
// disconnected when its outbox is full; the others notice nothing.
class seat {
  public:
    seat(room& in, std::string name, bight::stream& peer) : room_(in), name_(std::move(name)), outbox_(peer) {
        room_.seats_.emplace(name_, this);
    }
    seat(const seat&) = delete;
    ~seat() { room_.seats_.erase(name_); }

    void send(const bight::payload& line) { outbox_.send(line); }

  private:
    room& room_;
    const std::string name_;
    bight::outbox outbox_;
};

void room::tell_others(const seat& speaker, const bight::payload& line) {
    for (const auto& [name, other] : seats_)
        if (other != &speaker) other->send(line);
}

bight::task<> chat(room& room, bight::stream peer) {
    bight::line_reader lines(peer);
    co_await peer.write("What's your name?\r\n");
    auto name = co_await lines.next();
    while (name && room.has(*name)) {
        co_await peer.write("Name taken, please choose another.\r\n");
        name = co_await lines.next();
    }
    if (!name) co_return;

    seat here(room, *name, peer);
    here.send("Welcome, " + *name + "!\r\n");
    while (auto line = co_await lines.next()) room.tell_others(here, "<" + *name + "> " + *line + "\r\n");
}

int main(int argc, char** argv) {
    room room;
    return bight::run(bight::serve(argc > 1 ? argv[1] : "tcp:8123", chat, std::ref(room)));
}
