// A run loop on poll(2) behind the names of Core Foundation, as far as CoreFoundation.h beside it goes. What
// it does is written from Apple's documentation: a descriptor's callback is called once each time it was
// enabled, a timer that repeats can be moved, observers are called before the loop sleeps, what was
// invalidated leaves the loop. One loop for each thread, one mode.
#include "run_loop.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

struct counted_object {
    virtual ~counted_object() { --test::live_core_foundation_objects(); }
    counted_object() { ++test::live_core_foundation_objects(); }
    counted_object(const counted_object&) = delete;
    counted_object& operator=(const counted_object&) = delete;
    int references = 1;
    bool valid = true;
};

struct __CFFileDescriptor final : counted_object {
    int fd = -1;
    bool enabled = false;
    CFFileDescriptorCallBack call = nullptr;
    void* info = nullptr;
};
struct __CFRunLoopSource final : counted_object {
    explicit __CFRunLoopSource(CFFileDescriptorRef of) : watches(of) { CFRetain(as_type(of)); }
    ~__CFRunLoopSource() override { CFRelease(as_type(watches)); }
    static CFTypeRef as_type(counted_object* o) { return o; }
    CFFileDescriptorRef watches;
};
struct __CFRunLoopTimer final : counted_object {
    CFAbsoluteTime fires = 0;
    CFTimeInterval interval = 0;
    CFRunLoopTimerCallBack call = nullptr;
    void* info = nullptr;
};
struct __CFRunLoopObserver final : counted_object {
    CFRunLoopObserverCallBack call = nullptr;
    void* info = nullptr;
};

namespace {

template <class T>
CFTypeRef as_type(T* object) {
    return static_cast<counted_object*>(object);
}
counted_object& object(CFTypeRef cf) { return *static_cast<counted_object*>(const_cast<void*>(cf)); }

// Those that are added, each retained.
template <class T>
class members {
  public:
    members() = default;
    members(const members&) = delete;
    members& operator=(const members&) = delete;
    ~members() {
        for (T* one : all_) CFRelease(as_type(one));
    }
    void add(T* one) {
        CFRetain(as_type(one));
        all_.push_back(one);
    }
    std::vector<T*> valid() {
        std::erase_if(all_, [](T* one) {
            if (one->valid) return false;
            CFRelease(as_type(one));
            return true;
        });
        return all_;
    }

  private:
    std::vector<T*> all_;
};

}  // namespace

struct __CFRunLoop final : counted_object {
    members<__CFRunLoopSource> sources;
    members<__CFRunLoopTimer> timers;
    members<__CFRunLoopObserver> observers;
    bool stopped = false;
};

namespace {

void fire_timers(CFRunLoopRef loop) {
    const CFAbsoluteTime now = CFAbsoluteTimeGetCurrent();
    for (CFRunLoopTimerRef timer : loop->timers.valid()) {
        if (!timer->valid || timer->fires > now) continue;
        timer->fires += timer->interval;
        CFRetain(as_type(timer));
        timer->call(timer, timer->info);
        CFRelease(as_type(timer));
    }
}

int milliseconds_to_wait(CFRunLoopRef loop) {
    double least = 3600;
    for (CFRunLoopTimerRef timer : loop->timers.valid()) {
        least = std::min(least, timer->fires - CFAbsoluteTimeGetCurrent());
    }
    return least <= 0 ? 0 : static_cast<int>(std::ceil(least * 1000));
}

void wait_for_descriptors(CFRunLoopRef loop) {
    std::vector<pollfd> watched;
    std::vector<CFFileDescriptorRef> owners;
    for (CFRunLoopSourceRef source : loop->sources.valid()) {
        CFFileDescriptorRef const f = source->watches;
        if (!f->valid || !f->enabled) continue;
        watched.push_back({f->fd, POLLIN, 0});
        owners.push_back(f);
        CFRetain(as_type(f));
    }
    (void)::poll(watched.data(), watched.size(), milliseconds_to_wait(loop));
    for (std::size_t i = 0; i < owners.size(); ++i) {
        CFFileDescriptorRef const f = owners[i];
        if (watched[i].revents != 0 && f->valid && f->enabled) {
            f->enabled = false;
            f->call(f, kCFFileDescriptorReadCallBack, f->info);
        }
        CFRelease(as_type(f));
    }
}

// The loop of this thread, which ends with it.
struct loop_here {
    ~loop_here() {
        if (is) CFRelease(as_type(is));
    }
    CFRunLoopRef is = nullptr;
};
thread_local loop_here here;

}  // namespace

long& test::live_core_foundation_objects() {
    static long live = 0;
    return live;
}

void test::forget_run_loop() {
    if (here.is) CFRelease(as_type(std::exchange(here.is, nullptr)));
}

extern "C" {

const CFAllocatorRef kCFAllocatorDefault = nullptr;
const CFRunLoopMode kCFRunLoopCommonModes = nullptr;

CFTypeRef CFRetain(CFTypeRef cf) {
    ++object(cf).references;
    return cf;
}
void CFRelease(CFTypeRef cf) {
    if (--object(cf).references == 0) delete &object(cf);
}
CFAbsoluteTime CFAbsoluteTimeGetCurrent() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

CFRunLoopRef CFRunLoopGetCurrent() {
    if (!here.is) here.is = new __CFRunLoop;
    return here.is;
}
void CFRunLoopRun() {
    CFRunLoopRef const loop = CFRunLoopGetCurrent();
    loop->stopped = false;
    while (!loop->stopped) {
        fire_timers(loop);
        if (loop->stopped || (loop->sources.valid().empty() && loop->timers.valid().empty())) break;
        for (CFRunLoopObserverRef observer : loop->observers.valid()) {
            observer->call(observer, kCFRunLoopBeforeWaiting, observer->info);
        }
        wait_for_descriptors(loop);
    }
    loop->stopped = false;
}
void CFRunLoopStop(CFRunLoopRef loop) { loop->stopped = true; }
void CFRunLoopAddSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode) {
    loop->sources.add(source);
}
void CFRunLoopAddTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode) { loop->timers.add(timer); }
void CFRunLoopAddObserver(CFRunLoopRef loop, CFRunLoopObserverRef observer, CFRunLoopMode) {
    loop->observers.add(observer);
}
void CFRunLoopSourceInvalidate(CFRunLoopSourceRef source) { source->valid = false; }

CFRunLoopTimerRef CFRunLoopTimerCreate(CFAllocatorRef, CFAbsoluteTime fires, CFTimeInterval interval,
                                       CFOptionFlags, CFIndex, CFRunLoopTimerCallBack call,
                                       CFRunLoopTimerContext* context) {
    auto* const made = new __CFRunLoopTimer;
    made->fires = fires;
    made->interval = interval;
    made->call = call;
    made->info = context->info;
    return made;
}
void CFRunLoopTimerSetNextFireDate(CFRunLoopTimerRef timer, CFAbsoluteTime fires) { timer->fires = fires; }
void CFRunLoopTimerInvalidate(CFRunLoopTimerRef timer) { timer->valid = false; }

CFRunLoopObserverRef CFRunLoopObserverCreate(CFAllocatorRef, CFOptionFlags, Boolean, CFIndex,
                                             CFRunLoopObserverCallBack call,
                                             CFRunLoopObserverContext* context) {
    auto* const made = new __CFRunLoopObserver;
    made->call = call;
    made->info = context->info;
    return made;
}
void CFRunLoopObserverInvalidate(CFRunLoopObserverRef observer) { observer->valid = false; }

CFFileDescriptorRef CFFileDescriptorCreate(CFAllocatorRef, CFFileDescriptorNativeDescriptor fd, Boolean,
                                           CFFileDescriptorCallBack call,
                                           const CFFileDescriptorContext* context) {
    auto* const made = new __CFFileDescriptor;
    made->fd = fd;
    made->call = call;
    made->info = context->info;
    return made;
}
CFRunLoopSourceRef CFFileDescriptorCreateRunLoopSource(CFAllocatorRef, CFFileDescriptorRef f, CFIndex) {
    return new __CFRunLoopSource(f);
}
void CFFileDescriptorEnableCallBacks(CFFileDescriptorRef f, CFOptionFlags) { f->enabled = true; }
void CFFileDescriptorInvalidate(CFFileDescriptorRef f) {
    f->valid = false;
    f->enabled = false;
}
}
