// Only where Core Foundation has its headers.
#include <bight/core/core_foundation.hpp>

#include <bight/core/error.hpp>
#include <bight/core/reactor.hpp>

#include <CoreFoundation/CoreFoundation.h>

#include <chrono>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace bight {

namespace {

// Owns what Core Foundation has created.
template <class Ref>
class created {
  public:
    created() noexcept = default;
    created(const created&) = delete;
    created& operator=(const created&) = delete;
    ~created() {
        if (ref_) CFRelease(ref_);
    }
    void own(Ref made) {
        if (!made) throw std::bad_alloc();
        ref_ = made;
    }
    Ref get() const noexcept { return ref_; }
    explicit operator bool() const noexcept { return ref_ != nullptr; }

  private:
    Ref ref_ = nullptr;
};

// A timer that repeats stays valid when it has fired; this one is moved each time. In seconds, some 30 years.
constexpr CFTimeInterval far_away = 1e9;

}  // namespace

struct core_foundation_loop::state : std::enable_shared_from_this<state> {
    explicit state(reactor& r) noexcept : runs(r) {}

    reactor& runs;
    created<CFRunLoopRef> loop;
    created<CFFileDescriptorRef> watched;
    created<CFRunLoopSourceRef> source;
    created<CFRunLoopTimerRef> timer;
    created<CFRunLoopObserverRef> before_sleep;
    std::exception_ptr failure;
    bool begun = false;  ///< it has had a turn
    bool ended = false;

    void begin();
    void end() noexcept;
    void take_turn() noexcept;
    void arm() noexcept;
};

namespace {

using loop_state = core_foundation_loop::state;

void on_readable(CFFileDescriptorRef, CFOptionFlags, void* info) {
    static_cast<loop_state*>(info)->take_turn();
}
void on_timer(CFRunLoopTimerRef, void* info) { static_cast<loop_state*>(info)->take_turn(); }
void on_sleep(CFRunLoopObserverRef, CFRunLoopActivity, void* info) { static_cast<loop_state*>(info)->arm(); }

}  // namespace

void core_foundation_loop::state::begin() {
    CFFileDescriptorContext of_descriptor{0, this, nullptr, nullptr, nullptr};
    const Boolean closes = false;  // the descriptor is the reactor's
    watched.own(
        CFFileDescriptorCreate(kCFAllocatorDefault, runs.descriptor(), closes, &on_readable, &of_descriptor));
    source.own(CFFileDescriptorCreateRunLoopSource(kCFAllocatorDefault, watched.get(), 0));
    CFRunLoopTimerContext of_timer{0, this, nullptr, nullptr, nullptr};
    timer.own(CFRunLoopTimerCreate(kCFAllocatorDefault, CFAbsoluteTimeGetCurrent() + far_away, far_away, 0, 0,
                                   &on_timer, &of_timer));
    CFRunLoopObserverContext of_observer{0, this, nullptr, nullptr, nullptr};
    before_sleep.own(CFRunLoopObserverCreate(kCFAllocatorDefault, kCFRunLoopBeforeWaiting, true, 0, &on_sleep,
                                             &of_observer));
    CFRunLoopAddSource(loop.get(), source.get(), kCFRunLoopCommonModes);
    CFRunLoopAddTimer(loop.get(), timer.get(), kCFRunLoopCommonModes);
    CFRunLoopAddObserver(loop.get(), before_sleep.get(), kCFRunLoopCommonModes);
    CFRunLoopTimerSetNextFireDate(timer.get(), CFAbsoluteTimeGetCurrent());  // the first turn
}

// Invalid sources, timers and observers leave their run loop by themselves.
void core_foundation_loop::state::end() noexcept {
    ended = true;
    if (before_sleep) CFRunLoopObserverInvalidate(before_sleep.get());
    if (timer) CFRunLoopTimerInvalidate(timer.get());
    if (source) CFRunLoopSourceInvalidate(source.get());
    if (watched) CFFileDescriptorInvalidate(watched.get());
}

// A task may run the run loop itself, for a modal dialogue, say: no reactor of this thread has turns
// meanwhile. What was due then is armed before the run loop sleeps the next time, outside of that turn.
void core_foundation_loop::state::take_turn() noexcept {
    if (ended || failure || reactor::current()) return;
    const std::shared_ptr<state> stays = shared_from_this();
    begun = true;
    try {
        runs.run_once();
    } catch (...) {
        failure = std::current_exception();
        CFRunLoopStop(loop.get());
    }
    arm();
}

// The callback of a CFFileDescriptor is called once each time it is enabled, and the timer is far away when
// it has fired: what is not armed does not keep the run loop awake.
void core_foundation_loop::state::arm() noexcept {
    if (ended || failure || !begun || reactor::current()) return;
    CFFileDescriptorEnableCallBacks(watched.get(), kCFFileDescriptorReadCallBack);
    CFAbsoluteTime fires = CFAbsoluteTimeGetCurrent();
    if (!runs.has_ready()) {
        const time_point next = runs.next_deadline();
        const CFTimeInterval left = std::chrono::duration<CFTimeInterval>(next - runs.now()).count();
        fires += next == time_point::max() || left > far_away ? far_away : left;
    }
    CFRunLoopTimerSetNextFireDate(timer.get(), fires);
}

core_foundation_loop::core_foundation_loop(reactor& r, __CFRunLoop* in) : state_(std::make_shared<state>(r)) {
    if (r.descriptor() < 0) {
        throw std::system_error(errc::unavailable, "core_foundation_loop: a reactor on " +
                                                       std::string(r.demultiplexer_name()) +
                                                       " has no descriptor for a run loop to watch");
    }
    CFRunLoopRef const loop = in ? in : CFRunLoopGetCurrent();
    CFRetain(loop);
    state_->loop.own(loop);
    try {
        state_->begin();
    } catch (...) {
        state_->end();
        throw;
    }
}

core_foundation_loop::~core_foundation_loop() { state_->end(); }

std::exception_ptr core_foundation_loop::error() const noexcept { return state_->failure; }

}  // namespace bight
