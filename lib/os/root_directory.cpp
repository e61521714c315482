#include <bight/os/root_directory.hpp>

#include "file_call.hpp"
#include "file_error.hpp"
#include "file_state.hpp"
#include "file_status_of.hpp"
#include "open_flags.hpp"
#include "waiting_mode.hpp"

#include <bight/core/error.hpp>

#include <cerrno>
#include <string>
#include <utility>

namespace bight {

namespace {

task<file> open_in(detail::file_state_ref root, std::string path, open_options options) {
    detail::check_open(root, "open a path below");
    detail::check_path("open", path);
    detail::check_options(path, options);
    const detail::file_state_ref state(new detail::file_state);
    state->path = root->path + "/" + path;
    state->appends = options.append;
    {
        detail::file_call<detail::status_operation> call(detail::operation_kind::open_beneath, "an open of",
                                                         path.c_str());
        call.op.file = root->handle;
        call.op.flags = detail::open_flags(options) | detail::without_waiting;
        call.op.mode = options.permissions;
        const std::int64_t result = co_await std::move(call);
        if (result < 0) {
            detail::throw_file_error("open below " + detail::printable(root->path) + ":", path, result);
        }
        state->handle = static_cast<detail::native_handle>(result);
    }
    file opened = detail::file_access_key::make(state);
    const file_status status = co_await opened.status();
    if (status.type != file_type::regular && status.type != file_type::directory) {
        detail::throw_file_error("open below " + detail::printable(root->path) + ":", path, -EACCES);
    }
    detail::make_waiting(state->handle);
    co_return opened;
}

}  // namespace

task<file> root_directory::open(std::string path, open_options options) const {
    return open_in(detail::file_access_key::share(directory_), std::move(path), options);
}

task<root_directory> open_root(std::string path) {
    file directory = co_await open_file(path);
    const file_status status = co_await directory.status();
    if (status.type != file_type::directory) detail::throw_file_error("open", path, -ENOTDIR);
    co_return root_directory(std::move(directory));
}

}  // namespace bight
