#include <bight/os/file.hpp>

#include "file_call.hpp"
#include "file_error.hpp"
#include "file_state.hpp"
#include "file_status_of.hpp"
#include "open_flags.hpp"
#include "waiting_mode.hpp"

#include "../demux/file_operation.hpp"
#include "../demux/socket_calls.hpp"

#include <bight/core/error.hpp>
#include <bight/core/sleep.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

namespace bight {

namespace detail {

namespace {

class real_close final : public file_operation {
    void completed() noexcept override {}
};

}  // namespace

// That of a simulated host is closed there.
void close_in_place(native_handle handle) noexcept {
    if (handle == invalid_handle) return;
    if (handle >= first_simulated_descriptor && &sockets_here() != &kernel_sockets()) {
        sockets_here().close(handle);
        return;
    }
    real_close op;
    op.kind = operation_kind::close_file;
    op.file = handle;
    (void)perform(op);
}

void keep(file_state& s) noexcept { ++s.users; }

void drop(file_state& s) noexcept {
    if (--s.users > 0) return;
    close_in_place(s.handle);
    delete &s;
}

native_file handle_of(const file_state& s) noexcept { return s.handle; }

int why_no_offsets(file_state& of) noexcept {
    const bool is_simulated = of.handle >= first_simulated_descriptor && &sockets_here() != &kernel_sockets();
    if (of.has_offsets || is_simulated) return 0;  // a simulated disk has nothing else
    if (refuses_offsets(of.handle) == ESPIPE) return ESPIPE;
    of.has_offsets = true;  // or its own errors tell what is wrong with it
    return 0;
}

file file_access_key::make(file_state_ref state) noexcept { return file(std::move(state)); }

file_state_ref file_access_key::share(const file& f) noexcept { return f.state_; }

void check_open(const file_state_ref& on, const char* call) {
    if (!on || on->handle == invalid_handle)
        refuse_file(EBADF, std::string(call) + " a file that is not open");
}

namespace {

// These take a reference, so that the file may be moved or destroyed meanwhile.

task<> sync_file(file_state_ref on, bool only_data) {
    check_open(on, "sync");
    const file_use used(on);
    file_call<> call(operation_kind::sync_file, "a sync of", on->path.c_str());
    call.op.file = on->handle;
    call.op.flags = only_data ? 1 : 0;
    const std::int64_t result = co_await std::move(call);
    check_file_result(result, "sync", on->path);
}

task<> truncate_file(file_state_ref on, std::uint64_t size) {
    check_open(on, "truncate");
    const file_use used(on);
    file_call<> call(operation_kind::truncate_file, "a truncation of", on->path.c_str());
    call.op.file = on->handle;
    call.op.offset = size;
    const std::int64_t result = co_await std::move(call);
    check_file_result(result, "truncate", on->path);
}

task<bight::file_status> ask_status(file_state_ref on) {
    check_open(on, "status of");
    const file_use used(on);
    file_call<status_operation> call(operation_kind::stat_file, "the status of", on->path.c_str());
    call.op.file = on->handle;
    const std::int64_t result = co_await std::move(call);
    check_file_result(result, "status of", on->path);
    co_return file_status_of(call.op.status);
}

task<bool> ask_lock(file_state_ref on, lock_kind kind) {
    check_open(on, "lock");
    const file_use used(on);
    file_call<> call(operation_kind::lock_file, "a lock of", on->path.c_str());
    call.op.file = on->handle;
    call.op.flags = kind;
    const std::int64_t result = co_await std::move(call);
    if (result == -EAGAIN) co_return false;
    if (result < 0 && errno_of(static_cast<int>(-result)) == EBADF && kind != lock_none) {
        const std::string needs = kind == lock_shared ? ": a shared lock needs access to read"
                                                      : ": an exclusive lock needs access to write";
        throw std::system_error(system_error_code(static_cast<int>(-result)),
                                "lock " + printable(on->path) + needs);
    }
    check_file_result(result, kind == lock_none ? "unlock" : "lock", on->path);
    co_return true;
}

lock_kind kind_of(file_lock kind) noexcept {
    return kind == file_lock::shared ? lock_shared : lock_exclusive;
}

task<> wait_for_lock(file_state_ref on, lock_kind kind) {
    using namespace std::chrono_literals;
    duration pause = 1ms;
    for (;;) {
        const bool got = co_await ask_lock(on, kind);
        if (got) co_return;
        co_await sleep_for(pause);
        pause = std::min<duration>(2 * pause, 50ms);
    }
}

task<> unlock_file(file_state_ref on) { (void)co_await ask_lock(on, lock_none); }

/// The descriptor leaves the state before it is closed: what begins meanwhile finds no file, and not what has
/// got the same number since. A close that is taken back puts it there again.
class taken_handle {
  public:
    explicit taken_handle(file_state& from) noexcept
        : from_(from), handle_(std::exchange(from.handle, invalid_handle)) {}
    taken_handle(const taken_handle&) = delete;
    taken_handle& operator=(const taken_handle&) = delete;
    ~taken_handle() {
        if (handle_ != invalid_handle) from_.handle = handle_;
    }
    native_handle get() const noexcept { return handle_; }
    void is_closed() noexcept { handle_ = invalid_handle; }

  private:
    file_state& from_;
    native_handle handle_;
};

task<> close_file(file_state_ref on) {
    if (!on || on->handle == invalid_handle) co_return;
    if (on->in_use > 0) {
        throw std::system_error(errc::busy,
                                "close " + printable(on->path) + ": operations on it are under way");
    }
    taken_handle taken(*on);
    file_call<> call(operation_kind::close_file, "a close of", on->path.c_str());
    call.op.file = taken.get();
    const std::int64_t result = co_await std::move(call);
    if (result != -ECANCELED) taken.is_closed();
    if (!call.has_begun()) {
        close_in_place(call.op.file);
        co_return;
    }
    check_file_result(result, "close", on->path);
}

task<> fill_from(file_state_ref on, std::uint64_t offset, mutable_buffer memory) {
    check_open(on, "read");
    std::size_t filled = 0;
    while (filled < memory.size) {
        const mutable_buffer rest(static_cast<char*>(memory.data) + filled, memory.size - filled);
        const std::size_t got = co_await file_read_awaiter(on.get(), offset + filled, rest);
        if (got == 0) {
            throw std::system_error(errc::end_of_stream,
                                    "read " + std::to_string(memory.size) + " bytes at byte " +
                                        std::to_string(offset) + " of " + printable(on->path) +
                                        ": it ends after " + std::to_string(filled) + " of them");
        }
        filled += got;
    }
}

// The descriptor is at once the file's, whoever is cancelled.
task<std::int64_t> open_once(file_state_ref made, int flags, open_options options) {
    file_call<> call(operation_kind::open_file, "an open of", made->path.c_str());
    call.op.flags = flags;
    call.op.mode = options.permissions;
    const std::int64_t result = co_await std::move(call);
    if (result >= 0) made->handle = static_cast<native_handle>(result);
    co_return result;
}

task<file> open_path(std::string path, open_options options) {
    check_path("open", path);
    check_options(path, options);
    // Before it is opened: then nothing is lost without memory.
    const file_state_ref state(new file_state);
    state->path = std::move(path);
    state->appends = options.append;
    // No FIFO is waited for. Nor is the holder of a lease (fcntl(2)), who is then asked again, with patience.
    std::int64_t result = co_await open_once(state, open_flags(options) | without_waiting, options);
    if (result == -EAGAIN) result = co_await open_once(state, open_flags(options), options);
    if (result == -ENXIO) {
        throw_file_error("open",
                         state->path +
                             " (a FIFO without a reader, or a socket or device without its "
                             "other side; see open_fifo)",
                         result);
    }
    check_file_result(result, "open", state->path);
    make_waiting(state->handle);
    co_return file_access_key::make(state);
}

}  // namespace

}  // namespace detail

using detail::file_access_key;

file::file(native_file handle, std::string path, bool appends) {
    const auto taken = static_cast<detail::native_handle>(handle);
    try {
        state_ = detail::file_state_ref(new detail::file_state);
    } catch (...) {
        detail::close_in_place(taken);
        throw;
    }
    state_->handle = taken;
    state_->path = path.empty() ? "file " + std::to_string(handle) : std::move(path);
    state_->appends = appends;
}

const std::string& file::path() const noexcept {
    static const std::string none;
    return state_ ? state_->path : none;
}

task<> file::read_exactly_at(std::uint64_t offset, mutable_buffer memory) const {
    return detail::fill_from(file_access_key::share(*this), offset, memory);
}

task<> file::sync() { return detail::sync_file(file_access_key::share(*this), false); }

task<> file::sync_data() { return detail::sync_file(file_access_key::share(*this), true); }

task<> file::truncate(std::uint64_t size) {
    return detail::truncate_file(file_access_key::share(*this), size);
}

task<file_status> file::status() const { return detail::ask_status(file_access_key::share(*this)); }

task<> file::acquire_lock(file_lock kind) {
    return detail::wait_for_lock(file_access_key::share(*this), detail::kind_of(kind));
}

task<bool> file::try_acquire_lock(file_lock kind) {
    return detail::ask_lock(file_access_key::share(*this), detail::kind_of(kind));
}

task<> file::release_lock() { return detail::unlock_file(file_access_key::share(*this)); }

task<> file::close() { return detail::close_file(file_access_key::share(*this)); }

task<file> open_file(std::string path, open_options options) {
    return detail::open_path(std::move(path), options);
}

}  // namespace bight
