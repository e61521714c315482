#include "storm_steps.hpp"
#include "storms.hpp"

#include <bight/sim/latency_after_heal.hpp>
#include <bight/sim/one_holder.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using bight::task;
namespace sim = bight::sim;

namespace storms {

namespace {

// Of people, some of whose names begin as others' do.
const std::array names{"ann", "anna", "annabel", "bo", "bob"};
// Once the weather is good, whatever is said is heard within this time.
constexpr bight::duration heard_within = 3s;
const std::string room_is_at = "tcp:server:8123";

// Every line that is said: "SESSION NUMBER", numbers from 1 in each session.
struct session {
    int id = 0;
    std::string name;
    int said = 0;
    std::map<int, int> heard;  // of each other session: the last number
};

// A line that is to be heard by so many.
struct delivery {
    sim::latency_after_heal::wait wait;
    int hearers;
};

class ledger {
  public:
    session& begin(const std::string& name) {
        sessions_.push_back(std::make_unique<session>());
        sessions_.back()->id = static_cast<int>(sessions_.size());
        sessions_.back()->name = name;
        return *sessions_.back();
    }

    // `line` is what a client heard: "<name> SESSION NUMBER". Gives session and number.
    std::pair<int, int> heard(session& by, const std::string& line) {
        int from = 0;
        int number = 0;
        const auto end_of_name = line.find("> ");
        if (!line.starts_with('<') || end_of_name == line.npos ||
            std::sscanf(line.c_str() + end_of_name + 2, "%d %d", &from, &number) != 2 || from < 1 ||
            from > static_cast<int>(sessions_.size())) {
            throw broken(by.name + " heard what nobody said: \"" + line.substr(0, 60) + "\"");
        }
        const session& speaker = *sessions_[static_cast<std::size_t>(from - 1)];
        const std::string what = by.name + " (session " + std::to_string(by.id) + ") heard line " +
                                 std::to_string(number) + " of " + speaker.name + " (session " +
                                 std::to_string(from) + ")";
        if (from == by.id) throw broken(by.name + " heard himself");
        if (line.substr(1, end_of_name - 1) != speaker.name) throw broken(what + " under another name");
        if (number > speaker.said) throw broken(what + ", who has not said it yet");
        const auto [last, first] = by.heard.try_emplace(from, number);
        if (!first && number != last->second + 1) {
            throw broken(what + " after line " + std::to_string(last->second));
        }
        last->second = number;
        return {from, number};
    }

  private:
    std::vector<std::unique_ptr<session>> sessions_;
};

struct chat_scene {
    sim::world& world;
    ledger lines{};
    bool stormy = true;
    sim::latency_after_heal latencies{world, heard_within};
    std::map<std::pair<int, int>, delivery> deliveries{};  // by session and number
    sim::one_holder<std::string> holders{world};
    // In good weather:
    int here = 0;
    int done = 0;
};

// A client that has its name; its lines go on being read in `lines`.
struct presence {
    std::unique_ptr<bight::stream> peer;  // where its reader looks for it
    std::unique_ptr<bight::line_reader> lines;
    std::string name;
};

// Comes in under `name`, or under a longer one if that is taken and `insists` is off. Throws when the
// connection fails.
task<presence> come_in(std::string name, bool insists) {
    presence here;
    bight::stream connected = co_await bight::connect(room_is_at);
    here.peer = std::make_unique<bight::stream>(std::move(connected));
    here.lines = std::make_unique<bight::line_reader>(*here.peer);
    auto question = co_await here.lines->next();
    if (!question) throw std::runtime_error("the room closed");
    if (*question != "What's your name?") throw broken("the room asked \"" + *question + "\"");
    for (;;) {
        co_await here.peer->write(name + "\r\n");
        auto answer = co_await here.lines->next();
        if (!answer) throw std::runtime_error("the room closed");
        if (*answer == "Welcome, " + name + "!") break;
        if (*answer != "Name taken, please choose another.")
            throw broken("the room said \"" + *answer + "\"");
        if (insists) throw std::runtime_error("taken");
        name += "x";
    }
    here.name = name;
    co_return here;
}

// `hearers`: in good weather, so many others hear it.
task<> say(chat_scene& s, presence& who, session& as, int count, std::size_t size, bight::duration pause,
           int hearers) {
    for (int i = 0; i < count; ++i) {
        std::string line = std::to_string(as.id) + " " + std::to_string(++as.said);
        if (hearers > 0) {
            auto wait = s.latencies.begin("line " + line + " of " + who.name);
            s.deliveries.insert({{as.id, as.said}, {wait, hearers}});
        }
        if (line.size() < size) line.append(1, ' ').append(size - line.size(), '.');
        co_await who.peer->write(line + "\r\n");
        bight::duration rest = up_to(pause);
        // All fall silent now and then, for what is forgotten to be missed.
        if (hearers > 0 && (i + 1) % (count / 4) == 0) rest += 5s - s.world.elapsed() % 5s;
        co_await bight::sleep_for(rest);
    }
}

task<> hear(chat_scene& s, presence& who, session& as) {
    while (auto line = co_await who.lines->next()) s.lines.heard(as, *line);
}

// One stay in the storm, which ends well or badly.
task<> stay(chat_scene& s, std::string name) {
    presence here = co_await come_in(name, false);
    session& mine = s.lines.begin(here.name);
    const bool listens = bight::random_below(5) > 0;
    const bight::duration limit = 1s + up_to(20s);
    auto talk = [&]() -> task<> { co_await say(s, here, mine, 20, 0, 1s, 0); };
    auto listen = [&]() -> task<> {
        if (listens) co_await hear(s, here, mine);
    };
    auto both = [&]() -> task<> { co_await bight::when_all(talk(), listen()); };
    co_await bight::try_with_timeout(both(), limit);
    if (bight::random_below(2) > 0) {
        co_await here.peer->close();
    } else {
        here.peer->abort();
    }
}

task<> stormy_client(chat_scene& s, std::string name) {
    while (s.stormy) {
        try {
            co_await stay(s, name);
        } catch (const broken&) {
            throw;
        } catch (const std::exception&) {
        }
        const bight::duration rest = up_to(3s);
        co_await bight::sleep_for(rest);
    }
}

// In good weather: comes in under its own name, however long the room needs to see that the last owner has
// gone.
task<presence> come_in_at_last(std::string name) {
    for (int i = 0; i < 60; ++i) {
        try {
            presence here = co_await come_in(name, true);
            co_return here;
        } catch (const broken&) {
            throw;
        } catch (const std::exception&) {
        }
        co_await bight::sleep_for(1s);
    }
    throw broken("the name " + name + " is not free a minute after everybody has gone");
}

// Everybody says so many lines of that size, and must hear everybody else's.
task<> converse(chat_scene& s, std::string name, int lines, std::size_t size, int people, int guests) {
    presence here = co_await come_in_at_last(name);
    session& mine = s.lines.begin(here.name);
    ++s.here;
    co_await until(s.here, guests, "everybody is here");
    auto talk = [&]() -> task<> { co_await say(s, here, mine, lines, size, 100ms, people - 1); };
    auto listen = [&]() -> task<> {
        for (int i = 0; i < lines * (people - 1); ++i) {
            auto line = co_await here.lines->next();
            if (!line) throw broken(name + " was disconnected in good weather");
            delivery& of_line = s.deliveries.at(s.lines.heard(mine, *line));
            if (--of_line.hearers == 0) of_line.wait.ended();
        }
    };
    auto both = [&]() -> task<> { co_await bight::when_all(talk(), listen()); };
    const bool heard_all = co_await bight::try_with_timeout(both(), 10min);
    if (!heard_all) throw broken(name + " did not hear everything that was said in good weather");
    ++s.done;
    co_await until(s.done, people, "everybody has heard everything");
    co_await here.peer->close();
}

// Looks in, and leaves without a word.
task<> visit() {
    bight::stream peer = co_await bight::connect(room_is_at);
    bight::line_reader lines(peer);
    auto question = co_await lines.next();
    peer.abort();
}

// In good weather: more of them, one after the other, than a room has place for.
task<> visits() {
    for (int i = 0; i < 14; ++i) co_await visit();
}

// In good weather: two ask for the same name in the same moment, and one of them gets it.
task<> compete(chat_scene& s, std::string who, int& winners) {
    bight::stream connected = co_await bight::connect(room_is_at);
    bight::line_reader lines(connected);
    auto question = co_await lines.next();
    const bight::duration moment = 500ms + up_to(2ms) - s.world.elapsed() % 500ms;
    co_await bight::sleep_for(moment);
    co_await connected.write("zoe\r\n");
    auto answer = co_await lines.next();
    if (!answer) throw broken(who + " was disconnected in good weather");
    if (*answer == "Welcome, zoe!") {
        ++winners;
        s.holders.granted("zoe", who);
        co_await bight::sleep_for(200ms);
        s.holders.released("zoe", who);
    }
    co_await connected.close();
}

void let_two_compete(chat_scene& s, sim::host& a, sim::host& b) {
    for (int round = 0; round < 4; ++round) {
        int winners = 0;
        for (sim::host* one : {&a, &b}) {
            one->run([&s, &winners, name = one->name()] { return compete(s, name, winners); });
        }
        s.world.run();
        if (winners == 0) throw broken("two asked for a name that was free, and neither got it");
        s.world.run_for(1s);  // until it is free again
    }
}

// Comes in, and never reads again: it must be thrown out before the room keeps more for it than it says.
task<> glutton(chat_scene& s, int people) {
    presence here = co_await come_in_at_last("glutton");
    ++s.here;
    co_await until(s.done, people, "everybody has heard everything");
    std::size_t bytes = 0;
    bool thrown_out = false;
    here.lines->give_back();
    try {
        while (auto data = co_await bight::with_timeout(here.peer->read_some(), 5min)) bytes += data.size();
        thrown_out = true;
    } catch (const std::system_error& e) {
        thrown_out = e.code() != bight::errc::timed_out;
    }
    if (!thrown_out) {
        throw broken("a client that did not read was not disconnected: the room kept " +
                     std::to_string(bytes) + " bytes for it");
    }
}

void send_weather(chat_scene& s, sim::host& server, const std::vector<sim::host*>& clients) {
    sim::world& w = s.world;
    for (int i = 0; i < 4; ++i) {
        w.run_for(std::chrono::seconds(w.random().between(1, 8)));
        sim::host& victim = *clients[w.random().below(clients.size())];
        switch (w.random().below(5)) {
            case 0: w.cut(server, victim); break;
            case 1: w.mend(server, victim); break;
            case 2: victim.pause(std::chrono::seconds(w.random().between(1, 10))); break;
            case 3:
                victim.restart();
                victim.run([&s, name = victim.name()] { return stormy_client(s, name); });
                break;
            default:
                if (w.random().below(4) == 0) server.restart();
                break;
        }
    }
}

}  // namespace

void chat(sim::world& w, const server_program& start) {
    chat_at(w, [&start](sim::host& server) { server.on_boot([start] { return start(); }); });
}

void chat_at(sim::world& w, const std::function<void(sim::host&)>& boots) {
    chat_scene& s = w.own<chat_scene>(w);
    sim::host& server = w.add("server");
    boots(server);
    std::vector<sim::host*> clients;
    for (const char* name : names) {
        clients.push_back(&w.add(name));
        clients.back()->run([&s, name = clients.back()->name()] { return stormy_client(s, name); });
    }
    send_weather(s, server, clients);
    s.stormy = false;
    w.heal();
    w.run();
    w.note("good weather");
    clients.back()->run(visits);
    w.run();

    const bool with_glutton = w.random().below(4) == 0;
    constexpr int people = 3;
    const int lines = with_glutton ? 60 : 8;
    const std::size_t size = with_glutton ? 6000 : 0;
    const int guests = people + (with_glutton ? 1 : 0);
    for (int i = 0; i < people; ++i) {
        sim::host& on = *clients[static_cast<std::size_t>(i)];
        on.run([&s, lines, size, guests, name = on.name()] {
            return converse(s, name, lines, size, people, guests);
        });
    }
    if (with_glutton) clients.back()->run([&s] { return glutton(s, people); });
    w.run();
    s.latencies.check();
    let_two_compete(s, *clients[0], *clients[1]);
}

}  // namespace storms
