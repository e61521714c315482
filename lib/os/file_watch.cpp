#include <bight/os/file_watch.hpp>

#include "watched_files.hpp"

#include <string>
#include <utility>

namespace bight {

namespace {

// The files outlive their watch while a task uses them.
task<> add_to(std::shared_ptr<detail::watched_files> files, std::string path, bool recursive) {
    co_await files->add(std::move(path), recursive);
}
task<file_event> next_of(std::shared_ptr<detail::watched_files> files) {
    file_event event = co_await files->next();
    co_return event;
}

}  // namespace

file_watch::file_watch() : files_(std::make_shared<detail::watched_files>()) {}

file_watch::~file_watch() { files_->close(); }

task<> file_watch::add(std::string path, bool recursive) {
    return add_to(files_, std::move(path), recursive);
}

bool file_watch::remove(const std::string& path) { return files_->remove(path); }

std::size_t file_watch::size() const noexcept { return files_->size(); }

task<file_event> file_watch::next() { return next_of(files_); }

}  // namespace bight
