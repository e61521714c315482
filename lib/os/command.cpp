#include <bight/os/command.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace bight {

command& command::argument(std::string_view text) {
    arguments_.emplace_back(text);
    return *this;
}

command& command::arguments(const std::vector<std::string>& texts) {
    arguments_.insert(arguments_.end(), texts.begin(), texts.end());
    return *this;
}

command& command::name(std::string_view text) {
    name_ = text;
    return *this;
}

command& command::environment(std::string_view name, std::string_view value) {
    without_environment(name);
    variables_.back().value = value;
    return *this;
}

command& command::without_environment(std::string_view name) {
    std::erase_if(variables_, [&](const variable& v) { return v.name == name; });
    variables_.push_back({std::string(name), std::nullopt});
    return *this;
}

command& command::empty_environment() {
    inherits_environment_ = false;
    variables_.clear();
    return *this;
}

command& command::directory(std::string_view path) {
    directory_ = path;
    return *this;
}

command& command::user(std::uint32_t id) {
    user_ = id;
    return *this;
}

command& command::group(std::uint32_t id) {
    group_ = id;
    return *this;
}

command& command::groups(std::vector<std::uint32_t> ids) {
    groups_ = std::move(ids);
    return *this;
}

command& command::new_group() {
    new_group_ = true;
    return *this;
}

command& command::new_session() {
    new_session_ = true;
    return *this;
}

command& command::umask(unsigned mask) {
    umask_ = mask;
    return *this;
}

command& command::end_patience(duration longest) {
    end_patience_ = std::max(longest, duration::zero());
    return *this;
}

command& command::set(entry e) {
    std::erase_if(descriptors_, [&](const entry& other) { return other.number == e.number; });
    descriptors_.push_back(e);
    return *this;
}

command& command::pipe_to(int number) { return set({number, child_descriptor::pipe_to, -1}); }
command& command::pipe_from(int number) { return set({number, child_descriptor::pipe_from, -1}); }
command& command::inherit(int number, int from) { return set({number, child_descriptor::given, from}); }
command& command::same_as(int number, int other) { return set({number, child_descriptor::same, other}); }
command& command::null(int number) { return set({number, child_descriptor::null, -1}); }
command& command::close(int number) { return set({number, child_descriptor::closed, -1}); }

command& command::terminal(window_size size) {
    window_ = size;
    has_terminal_ = true;
    for (const int number : {0, 1, 2}) set({number, child_descriptor::terminal, -1});
    return *this;
}

std::optional<command::entry> command::descriptor(int number) const noexcept {
    for (const entry& e : descriptors_) {
        if (e.number == number) return e;
    }
    return std::nullopt;
}

// What a shell would take for one word.
static bool is_plain(std::string_view word) noexcept {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%^";
    return !word.empty() && word.find_first_not_of(plain) == std::string_view::npos;
}

static void append_word(std::string& to, std::string_view word) {
    if (is_plain(word)) {
        to += word;
        return;
    }
    to += '\'';
    for (const char c : word) {
        if (c == '\'') {
            to += "'\\''";
        } else {
            to += c;
        }
    }
    to += '\'';
}

std::string command::to_string() const {
    std::string text;
    append_word(text, program_);
    for (const std::string& a : arguments_) {
        text += ' ';
        append_word(text, a);
    }
    return text;
}

}  // namespace bight
