#include <bight/sim/disk.hpp>

#include "disk_state.hpp"

#include <bight/core/error.hpp>
#include <bight/sim/allocation_fault.hpp>

#include <cerrno>
#include <string>
#include <system_error>

namespace bight::sim {

using detail::disk_state;

namespace {

constexpr unsigned usual_mode = 0644;

void must_succeed(int result, const char* what, const std::string& path) {
    if (result < 0) throw std::system_error(-result, bight::detail::errno_category(), what + path);
}

disk_state::node_ptr file_to_write(disk_state& on, const std::string& path) {
    disk_state::node_ptr file;
    must_succeed(on.make_directories(disk_state::normal(path + "/..")), "simulated disk: writing ", path);
    must_succeed(on.find_or_make(path, usual_mode, file), "simulated disk: writing ", path);
    return file;
}

}  // namespace

void disk::write(std::string_view path, std::string_view bytes) {
    const not_failing machinery;
    const auto file = file_to_write(*state_, disk_state::normal(path));
    file->bytes = bytes;
    state_->touch(*file);
    state_->tell_changed(file);
}

void disk::append(std::string_view path, std::string_view bytes) {
    const not_failing machinery;
    const auto file = file_to_write(*state_, disk_state::normal(path));
    file->bytes += bytes;
    state_->touch(*file);
    state_->tell_changed(file);
}

std::optional<std::string> disk::read(std::string_view path) const {
    const not_failing machinery;
    const auto file = state_->find(disk_state::normal(path));
    if (!file) return std::nullopt;
    return file->bytes;
}

void disk::remove(std::string_view path) {
    const not_failing machinery;
    const std::string normal = disk_state::normal(path);
    must_succeed(state_->remove(normal), "simulated disk: removing ", normal);
}

void disk::create_directories(std::string_view path) {
    const not_failing machinery;
    const std::string normal = disk_state::normal(path);
    must_succeed(state_->make_directories(normal), "simulated disk: making ", normal);
}

void disk::sync(std::string_view path) {
    const not_failing machinery;
    const std::string normal = disk_state::normal(path);
    if (const auto file = state_->find(normal)) {
        state_->sync(file);
    } else if (state_->is_directory(normal)) {
        state_->sync_directory(normal);
    } else {
        must_succeed(-ENOENT, "simulated disk: syncing ", normal);
    }
}

void disk::sync_all() {
    const not_failing machinery;
    state_->sync_all();
}

std::vector<std::string> disk::files() const {
    const not_failing machinery;
    return state_->files();
}

}  // namespace bight::sim
