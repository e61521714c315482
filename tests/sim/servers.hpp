// The samples' servers, as they are, for storms.
#pragma once

#include "samples.hpp"

namespace {

bight::task<> chat_server() {
    chat_sample::room room;
    co_await bight::serve("tcp:8123", chat_sample::chat, std::ref(room));
}

bight::task<> broadcast_server() {
    broadcast_sample::hall hall;
    co_await bight::serve("tcp:8006", broadcast_sample::broadcast, std::ref(hall));
}

}  // namespace
