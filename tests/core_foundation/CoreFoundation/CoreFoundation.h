// A stand-in for Apple's header of this name, where there is none: the declarations that
// lib/core/core_foundation.cpp uses, written from Apple's documentation, and nothing else. run_loop.cpp beside
// it has functions of these names that work on poll(2), for tests on other systems.
#pragma once

#include <cfloat>

extern "C" {

using Boolean = unsigned char;
using CFIndex = long;
using CFOptionFlags = unsigned long;
using CFTimeInterval = double;
using CFAbsoluteTime = CFTimeInterval;  // seconds since the beginning of 2001
using CFTypeRef = const void*;
using CFAllocatorRef = const struct __CFAllocator*;
using CFStringRef = const struct __CFString*;
using CFRunLoopMode = CFStringRef;
using CFRunLoopRef = struct __CFRunLoop*;
using CFRunLoopSourceRef = struct __CFRunLoopSource*;
using CFRunLoopTimerRef = struct __CFRunLoopTimer*;
using CFRunLoopObserverRef = struct __CFRunLoopObserver*;
using CFFileDescriptorRef = struct __CFFileDescriptor*;
using CFFileDescriptorNativeDescriptor = int;
using CFRunLoopActivity = CFOptionFlags;

extern const CFAllocatorRef kCFAllocatorDefault;
extern const CFRunLoopMode kCFRunLoopCommonModes;

enum : CFOptionFlags { kCFFileDescriptorReadCallBack = 1UL << 0 };
enum : CFRunLoopActivity { kCFRunLoopBeforeWaiting = 1UL << 5 };

struct CFFileDescriptorContext {
    CFIndex version;
    void* info;
    void* (*retain)(void* info);
    void (*release)(void* info);
    CFStringRef (*copyDescription)(void* info);
};
struct CFRunLoopTimerContext {
    CFIndex version;
    void* info;
    const void* (*retain)(const void* info);
    void (*release)(const void* info);
    CFStringRef (*copyDescription)(const void* info);
};
struct CFRunLoopObserverContext {
    CFIndex version;
    void* info;
    const void* (*retain)(const void* info);
    void (*release)(const void* info);
    CFStringRef (*copyDescription)(const void* info);
};

using CFFileDescriptorCallBack = void (*)(CFFileDescriptorRef f, CFOptionFlags types, void* info);
using CFRunLoopTimerCallBack = void (*)(CFRunLoopTimerRef timer, void* info);
using CFRunLoopObserverCallBack = void (*)(CFRunLoopObserverRef observer, CFRunLoopActivity activity,
                                           void* info);

CFTypeRef CFRetain(CFTypeRef cf);
void CFRelease(CFTypeRef cf);
CFAbsoluteTime CFAbsoluteTimeGetCurrent();

CFRunLoopRef CFRunLoopGetCurrent();
void CFRunLoopRun();
void CFRunLoopStop(CFRunLoopRef loop);
void CFRunLoopAddSource(CFRunLoopRef loop, CFRunLoopSourceRef source, CFRunLoopMode mode);
void CFRunLoopAddTimer(CFRunLoopRef loop, CFRunLoopTimerRef timer, CFRunLoopMode mode);
void CFRunLoopAddObserver(CFRunLoopRef loop, CFRunLoopObserverRef observer, CFRunLoopMode mode);
void CFRunLoopSourceInvalidate(CFRunLoopSourceRef source);

CFRunLoopTimerRef CFRunLoopTimerCreate(CFAllocatorRef allocator, CFAbsoluteTime fires, CFTimeInterval interval,
                                       CFOptionFlags flags, CFIndex order, CFRunLoopTimerCallBack call,
                                       CFRunLoopTimerContext* context);
void CFRunLoopTimerSetNextFireDate(CFRunLoopTimerRef timer, CFAbsoluteTime fires);
void CFRunLoopTimerInvalidate(CFRunLoopTimerRef timer);

CFRunLoopObserverRef CFRunLoopObserverCreate(CFAllocatorRef allocator, CFOptionFlags activities,
                                             Boolean repeats, CFIndex order, CFRunLoopObserverCallBack call,
                                             CFRunLoopObserverContext* context);
void CFRunLoopObserverInvalidate(CFRunLoopObserverRef observer);

CFFileDescriptorRef CFFileDescriptorCreate(CFAllocatorRef allocator, CFFileDescriptorNativeDescriptor fd,
                                           Boolean closes, CFFileDescriptorCallBack call,
                                           const CFFileDescriptorContext* context);
CFRunLoopSourceRef CFFileDescriptorCreateRunLoopSource(CFAllocatorRef allocator, CFFileDescriptorRef f,
                                                       CFIndex order);
void CFFileDescriptorEnableCallBacks(CFFileDescriptorRef f, CFOptionFlags types);
void CFFileDescriptorInvalidate(CFFileDescriptorRef f);
}
