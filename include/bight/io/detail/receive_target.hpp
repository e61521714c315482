// receive_target: where a receive puts what comes.
#pragma once

#include <bight/core/export.hpp>
#include <bight/io/buffer.hpp>
#include <bight/io/chunk.hpp>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The part of a read that whoever carries it out fills, a demultiplexer, say: the memory `into`, or else
/// `data`.
struct receive_target {
    mutable_buffer into;
    chunk data;
};

}  // namespace detail
}  // namespace bight
