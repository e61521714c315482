// glib_loop: a reactor inside the main loop of a GLib program (GTK, GStreamer, …).
#pragma once

#include <bight/core/duration.hpp>
#include <bight/core/error.hpp>
#include <bight/core/export.hpp>
#include <bight/core/reactor.hpp>

#include <glib.h>

#include <chrono>
#include <exception>
#include <functional>
#include <limits>
#include <new>
#include <string>
#include <system_error>
#include <utility>

namespace BIGHT_EXPORT bight {

/// Gives a reactor its turns in a GMainContext, so that the tasks of the reactor and the callbacks of GLib
/// have one thread:
///
///     bight::reactor r;
///     bight::glib_loop in_here(r);       // in the thread-default context of this thread
///     r.start(download);
///     g_main_loop_run(loop);             // or g_application_run, gtk_main, …
///
/// GLib watches the reactor's descriptor and its next deadline, and looks at the reactor whenever it is about
/// to sleep: so tasks may be started in any callback of this thread. One dispatch of the source is one turn.
/// Nothing polls: with nothing to do, GLib sleeps in one system call. Deadlines are met to the millisecond,
/// GLib's own precision. Where the context is not iterated nothing runs, and in a main loop that a task runs
/// itself (a modal dialogue) no reactor of this thread has turns.
///
/// `reactor::stop` cancels the tasks, as everywhere, and the main loop goes on; g_main_loop_quit ends the
/// main loop, and the tasks stay where they wait: destroy the reactor, or run the loop again.
///
/// This header needs GLib 2.36 or later, and is the only thing that does: the library knows nothing of GLib.
/// Thread: the one that iterates the context.
class glib_loop {
  public:
    /// `in` is referenced; null: the thread-default context of this thread, or else the default one. The
    /// reactor must outlive this object, has its own clock (no virtual one), and is given its turns by
    /// nothing else.
    ///
    /// `failed` is called when the reactor can wait no more, for its demultiplexer has failed: it has no
    /// turns after that. To end the program: `[loop](std::exception_ptr) { g_main_loop_quit(loop); }`. It
    /// must not throw. Without one the error is logged with g_critical.
    ///
    /// Throws std::system_error (errc::unavailable) when the reactor has no descriptor (poll, select), and
    /// std::bad_alloc; where GLib itself finds no memory, it ends the process.
    explicit glib_loop(reactor& r, GMainContext* in = nullptr,
                       std::function<void(std::exception_ptr)> failed = {});
    glib_loop(const glib_loop&) = delete;
    glib_loop& operator=(const glib_loop&) = delete;
    /// The reactor has no more turns. A task may destroy it, too.
    ~glib_loop() {
        g_source_destroy(source_);
        g_source_unref(source_);
    }

    /// For its priority (G_PRIORITY_DEFAULT at first) and its name. It belongs to this object.
    GSource* source() const noexcept { return source_; }
    /// Why the reactor has no more turns; null while it has.
    std::exception_ptr error() const noexcept;

  private:
    struct state;
    struct source_of_reactor;
    static state& of(GSource* s) noexcept;
    static gboolean prepare(GSource* s, gint* timeout) noexcept;
    static gboolean check(GSource* s) noexcept;
    static gboolean dispatch(GSource* s, GSourceFunc, gpointer) noexcept;
    static void finalize(GSource* s) noexcept;

    GSource* source_;
};

// Implementation.

/// Lives as long as the GSource, which GLib keeps during a dispatch in which this object is destroyed.
struct glib_loop::state {
    reactor& runs;
    std::function<void(std::exception_ptr)> failed;
    gpointer watched = nullptr;  ///< GLib's name for the descriptor
    std::exception_ptr failure{};
    bool begun = false;  ///< it has had a turn
    bool waits = false;  ///< until another reactor's turn, which runs this main loop, has ended
};

struct glib_loop::source_of_reactor {
    GSource base;
    state* own;
};

inline glib_loop::state& glib_loop::of(GSource* s) noexcept {
    return *reinterpret_cast<source_of_reactor*>(s)->own;
}

inline glib_loop::glib_loop(reactor& r, GMainContext* in, std::function<void(std::exception_ptr)> failed) {
    const int descriptor = r.descriptor();
    if (descriptor < 0) {
        throw std::system_error(errc::unavailable, "glib_loop: a reactor on " +
                                                       std::string(r.demultiplexer_name()) +
                                                       " has no descriptor for a main loop to watch");
    }
    static GSourceFuncs functions{&prepare, &check, &dispatch, &finalize, nullptr, nullptr};
    auto* const own = new state{r, std::move(failed)};
    source_ = g_source_new(&functions, sizeof(source_of_reactor));
    reinterpret_cast<source_of_reactor*>(source_)->own = own;
    own->watched = g_source_add_unix_fd(source_, descriptor, G_IO_IN);
    g_source_set_name(source_, "bight::reactor");
    g_source_attach(source_, in ? in : g_main_context_get_thread_default());
}

inline std::exception_ptr glib_loop::error() const noexcept { return of(source_).failure; }

inline gboolean glib_loop::prepare(GSource* s, gint* timeout) noexcept {
    state& own = of(s);
    // A task of another reactor runs this main loop itself: a turn has to wait until that has ended.
    const bool waits = reactor::current() != nullptr;
    if (std::exchange(own.waits, waits) != waits) {
        g_source_modify_unix_fd(s, own.watched, waits ? GIOCondition(0) : G_IO_IN);
    }
    *timeout = -1;
    if (waits) return FALSE;
    *timeout = 0;
    if (!own.begun || own.runs.has_ready()) return TRUE;
    const time_point next = own.runs.next_deadline();
    if (next == time_point::max()) {
        *timeout = -1;
        return FALSE;
    }
    const time_point now = own.runs.now();
    if (next <= now) return TRUE;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now).count();
    constexpr gint longest = std::numeric_limits<gint>::max();
    *timeout = left < longest ? static_cast<gint>(left) : longest;
    return FALSE;
}

inline gboolean glib_loop::check(GSource* s) noexcept {
    const state& own = of(s);
    return !own.waits && (g_source_query_unix_fd(s, own.watched) != 0 || own.runs.has_ready() ||
                          own.runs.next_deadline() <= own.runs.now());
}

inline gboolean glib_loop::dispatch(GSource* s, GSourceFunc, gpointer) noexcept {
    state& own = of(s);
    if (reactor::current()) return G_SOURCE_CONTINUE;
    own.begun = true;
    try {
        own.runs.run_once();
        return G_SOURCE_CONTINUE;
    } catch (...) {
        own.failure = std::current_exception();
    }
    if (own.failed) {
        own.failed(own.failure);
    } else {
        try {
            std::rethrow_exception(own.failure);
        } catch (const std::exception& e) {
            g_critical("bight: the reactor has no more turns in this main loop: %s", e.what());
        } catch (...) {
            g_critical("bight: the reactor has no more turns in this main loop");
        }
    }
    return G_SOURCE_REMOVE;
}

inline void glib_loop::finalize(GSource* s) noexcept { delete reinterpret_cast<source_of_reactor*>(s)->own; }

}  // namespace bight
