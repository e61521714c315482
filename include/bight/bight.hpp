// All of bight's core, streams and sockets.
#pragma once

#include <bight/core/deferred.hpp>
#include <bight/core/error.hpp>
#include <bight/core/finally.hpp>
#include <bight/core/group.hpp>
#include <bight/core/reactor.hpp>
#include <bight/core/result.hpp>
#include <bight/core/run.hpp>
#include <bight/core/shield.hpp>
#include <bight/core/sleep.hpp>
#include <bight/core/task.hpp>
#include <bight/core/timeout.hpp>
#include <bight/core/when_all.hpp>
#include <bight/core/when_any.hpp>
#include <bight/io/chunk.hpp>
#include <bight/io/line_reader.hpp>
#include <bight/io/outbox.hpp>
#include <bight/io/payload.hpp>
#include <bight/io/stream.hpp>
#include <bight/io/transport.hpp>
#include <bight/net/address.hpp>
#include <bight/net/connect.hpp>
#include <bight/net/endpoint.hpp>
#include <bight/net/listener.hpp>
#include <bight/net/serve.hpp>
