// A server of keys and values, as it is right, and with each of several bugs that such servers have had.
// What it knows is on a disk; each line is a request, each request has one line for an answer:
//   SET ID KEY VALUE   OK              an ID that was seen before is a repetition
//   GET KEY            VALUE | NONE
//   WAIT KEY VALUE     VALUE           when it is another one
#pragma once

#include <bight/bight.hpp>

#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace planted {

enum class store_bug {
    none,
    retry_done_twice,      ///< ids are not looked at
    one_of_several_woken,  ///< those who wait for the same key have an event that lets one of them go on
    any_one_woken,         ///< those who wait for any key have one condition, of which one is notified
};

struct store_disk {
    std::map<std::string, std::string> values;
    std::set<std::string> ids;
    /// A SET takes effect.
    std::function<void(const std::string& id)> is_done;
};

namespace store {

struct state {
    store_disk& disk;
    store_bug bug;
    bight::mutex lock;
    bight::condition changed{};
    std::map<std::string, bight::auto_reset_event> changes{};

    explicit state(store_disk& d, store_bug b) : disk(d), bug(b) {}

    void set(const std::string& id, const std::string& key, const std::string& value) {
        if (!disk.ids.insert(id).second && bug != store_bug::retry_done_twice) return;
        disk.values[key] = value;
        disk.is_done(id);
        switch (bug) {
            case store_bug::one_of_several_woken: changes[key].set(); break;
            case store_bug::any_one_woken: changed.notify_one(); break;
            default: changed.notify_all(); break;
        }
    }
    std::string get(const std::string& key) const {
        const auto at = disk.values.find(key);
        return at == disk.values.end() ? "NONE" : at->second;
    }
    bight::task<std::string> wait(std::string key, std::string known) {
        if (bug == store_bug::one_of_several_woken) {
            while (get(key) == known) co_await changes[key].wait();
        } else {
            auto held = co_await lock.lock();
            while (get(key) == known) co_await changed.wait(held);
        }
        co_return get(key);
    }
};

inline bight::task<> answer(state& s, bight::stream peer) {
    bight::line_reader lines(peer);
    while (auto line = co_await lines.next()) {
        std::istringstream words(*line);
        std::string verb;
        std::string first;
        std::string second;
        std::string third;
        words >> verb >> first >> second >> third;
        std::string text = "OK";
        if (verb == "SET") s.set(first, second, third);
        if (verb == "GET") text = s.get(first);
        if (verb == "WAIT") text = co_await s.wait(first, second);
        co_await peer.write(text + "\r\n");
    }
}

}  // namespace store

inline bight::task<> store_server(store_disk& disk, store_bug bug) {
    store::state s(disk, bug);
    co_await bight::serve("tcp:8200", store::answer, std::ref(s));
}

}  // namespace planted
