// So does every operation of a stream, an outbox and a listener.
// expect each ONE_AWAITED: co_await it
// at most 11 lines
#include <bight/bight.hpp>

#ifdef MISTAKE
#define ONE_AWAITED
#else
#define ONE_AWAITED co_await
#endif

bight::task<> caller(bight::stream peer, bight::listener& l, bight::outbox& out, bight::mutable_buffer memory,
                     std::span<bight::const_buffer> pieces) {
    ONE_AWAITED peer.read_some();
    ONE_AWAITED peer.read_some(memory);
    ONE_AWAITED peer.write("answer");
    ONE_AWAITED peer.write("two ", "pieces");
    ONE_AWAITED peer.write(pieces);
    ONE_AWAITED peer.shutdown_write();
    ONE_AWAITED peer.close();
    ONE_AWAITED out.push("message");
    ONE_AWAITED out.flush();
    ONE_AWAITED l.accept();
#ifdef MISTAKE
    ONE_AWAITED bight::as_result(l.accept());
#endif
    co_return;
}
