// A server of jobs, each of which is given to one worker for some seconds (a lease), as it is right, and with
// bugs that such servers have had. What it knows is on a disk; each line is a request, each has one answer:
//   PUT ID          OK
//   TAKE            ID LEASE    when there is a job that nobody has
//   DONE ID LEASE   OK | GONE   when the lease is over, or somebody else's
#pragma once

#include <bight/bight.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <utility>

namespace planted {

enum class queue_bug {
    none,
    any_lease_acknowledged,  ///< whoever says that a job is done is believed
    leases_kept_at_restart,  ///< what was given away before a restart is not given away again
};

struct queue_disk {
    enum class job { waiting, given, done };
    struct state {
        job is = job::waiting;
        int lease = 0;
    };
    std::map<std::string, state> jobs;
    int last_lease = 0;
    /// A worker is told that its work counts.
    std::function<void(const std::string& id)> is_done;
};

namespace queue {

constexpr std::chrono::seconds lease_lasts(5);

struct state {
    queue_disk& disk;
    queue_bug bug;
    bight::mutex lock;
    bight::condition more{};

    state(queue_disk& d, queue_bug b) : disk(d), bug(b) {}

    using job = queue_disk::job;

    void give_back(const std::string& id, int lease) {
        queue_disk::state& j = disk.jobs[id];
        if (j.is != job::given || j.lease != lease) return;
        j.is = job::waiting;
        more.notify_one();
    }
    std::map<std::string, queue_disk::state>::iterator next() {
        auto at = disk.jobs.begin();
        while (at != disk.jobs.end() && at->second.is != job::waiting) ++at;
        return at;
    }
    bight::task<std::pair<std::string, int>> take() {
        auto held = co_await lock.lock();
        while (next() == disk.jobs.end()) co_await more.wait(held);
        const auto at = next();
        at->second = {job::given, ++disk.last_lease};
        co_return std::pair(at->first, disk.last_lease);
    }
    bool acknowledge(const std::string& id, int lease) {
        queue_disk::state& j = disk.jobs[id];
        const bool has_it = j.is == job::given && j.lease == lease;
        if (!has_it && bug != queue_bug::any_lease_acknowledged) return false;
        j.is = job::done;
        disk.is_done(id);
        return true;
    }
};

inline bight::task<> expire(state& s, std::string id, int lease) {
    co_await bight::sleep_for(lease_lasts);
    s.give_back(id, lease);
}

inline bight::task<> answer(state& s, bight::group& leases, bight::stream peer) {
    bight::line_reader lines(peer);
    while (auto line = co_await lines.next()) {
        std::istringstream words(*line);
        std::string verb;
        std::string id;
        int lease = 0;
        words >> verb >> id >> lease;
        std::string text = "OK";
        if (verb == "PUT" && s.disk.jobs.try_emplace(id).second) s.more.notify_one();
        if (verb == "DONE" && !s.acknowledge(id, lease)) text = "GONE";
        if (verb == "TAKE") {
            const auto [job, its_lease] = co_await s.take();
            leases.spawn(expire, std::ref(s), job, its_lease);
            text = job + " " + std::to_string(its_lease);
        }
        co_await peer.write(text + "\r\n");
    }
}

}  // namespace queue

inline bight::task<> queue_server(queue_disk& disk, queue_bug bug) {
    queue::state s(disk, bug);
    for (auto& [id, job] : disk.jobs) {
        if (job.is == queue_disk::job::given && bug != queue_bug::leases_kept_at_restart) {
            job.is = queue_disk::job::waiting;
        }
    }
    co_await bight::with_group([&](bight::group& leases) -> bight::task<> {
        co_await bight::serve("tcp:8300", queue::answer, std::ref(s), std::ref(leases));
    });
}

}  // namespace planted
