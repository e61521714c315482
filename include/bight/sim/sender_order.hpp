// sender_order: checks that the messages of each sender arrive in order.
#pragma once

#include <bight/core/export.hpp>
#include <bight/sim/invariant.hpp>
#include <bight/sim/world.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace sim {

/// Numbers the messages of each sender from 1, and checks the numbers that each receiver gets: those of one
/// sender must rise by one each time, beginning with any number; messages of different senders may come in
/// any order. With gaps::allowed messages may be lost (dropped for a slow reader, say): then the numbers must
/// only rise.
///
///     auto& order = w.own<bight::sim::sender_order<std::string>>(w);
///     …
///     co_await peer.write(name + " " + std::to_string(order.sent(name)) + "\n");
///     …
///     order.received(me, name_in_line, number_in_line);
///
/// An Id stands for one connection, say, not for a client that reconnects: that one needs a new Id. A
/// violation ends the world's run with invariant_broken. Thread: the world's.
template <class Id>
class sender_order {
  public:
    enum class gaps { refused, allowed };

    explicit sender_order(world& w, gaps g = gaps::refused) : world_(w), gaps_(g) {}

    /// The number for the next message of this sender.
    std::uint64_t sent(const Id& sender) { return ++sent_[sender]; }

    void received(const Id& receiver, const Id& sender, std::uint64_t number) {
        heard& from = heard_[{receiver, sender}];
        const auto said = sent_.find(sender);
        std::string wrong;
        if (number == 0 || said == sent_.end() || number > said->second) {
            wrong = ", which was not sent";
        } else if (from.count > 0 && number == from.last) {
            wrong = " twice";
        } else if (from.count > 0 && number < from.last) {
            wrong = " after " + std::to_string(from.last);
        } else if (from.count > 0 && number > from.last + 1 && gaps_ == gaps::refused) {
            wrong = " after " + std::to_string(from.last) + ": what is between them is lost";
        }
        if (!wrong.empty()) {
            detail::report_broken_invariant(
                world_, detail::text_of(receiver) + " received message " + std::to_string(number) + " of " +
                            detail::text_of(sender) + wrong + detail::now_in(world_));
        }
        from.last = number;
        ++from.count;
    }

    /// How many messages this receiver got from this sender.
    std::uint64_t count(const Id& receiver, const Id& sender) const {
        const auto at = heard_.find({receiver, sender});
        return at == heard_.end() ? 0 : at->second.count;
    }

  private:
    struct heard {
        std::uint64_t last = 0;
        std::uint64_t count = 0;
    };

    world& world_;
    const gaps gaps_;
    std::map<Id, std::uint64_t> sent_;
    std::map<std::pair<Id, Id>, heard> heard_;
};

}  // namespace sim
}  // namespace bight
