// The samples as they are, as coroutines to be run in a world.
#pragma once

#include <bight/bight.hpp>
#include <bight/io/frame_reader.hpp>
#include <bight/io/frame_writer.hpp>
#include <bight/net/datagram_socket.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

// They are in a file that is included, where g++ minds coroutines of unnamed lambdas; and no test uses them
// all.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
#pragma GCC diagnostic ignored "-Wunused-function"

// Each has names of its own, and a main that nobody calls here. Several files of a program may have them.
#define main unused_main  // NOLINT(readability-identifier-naming)
namespace {
namespace chat_sample {
#include "../../samples/chat.cpp"  // NOLINT(bugprone-suspicious-include)
}
namespace broadcast_sample {
#include "../../samples/broadcast.cpp"  // NOLINT(bugprone-suspicious-include)
}
namespace broadcast_client_sample {
#include "../../samples/broadcast_client.cpp"  // NOLINT(bugprone-suspicious-include)
}
namespace discover_sample {
#include "../../samples/discover.cpp"  // NOLINT(bugprone-suspicious-include)
}
namespace game_sample {
#include "../../samples/game.cpp"  // NOLINT(bugprone-suspicious-include)
}
namespace keepalive_sample {
#include "../../samples/keepalive.cpp"  // NOLINT(bugprone-suspicious-include)
}
namespace poetry_sample {
#include "../../samples/poetry.cpp"  // NOLINT(bugprone-suspicious-include)
}
}  // namespace
#undef main
