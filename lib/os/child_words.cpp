#include "child_words.hpp"

#include "command_access.hpp"
#include "command_name.hpp"

#include "../core/system_error.hpp"

#include <bight/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace bight::detail {

namespace {

[[noreturn]] void refuse(const command& c, const std::string& why) {
    throw std::system_error(system_error_code(EINVAL), "process: " + name_for_messages(c) + ": " + why);
}

std::string checked(const command& c, const std::string& text, const char* what) {
    if (text.find('\0') != std::string::npos) refuse(c, std::string(what) + " has a zero byte");
    return text;
}

}  // namespace

char* const* word_list::pointers() {
    pointers_.clear();
    pointers_.reserve(texts_.size() + 1);
    for (std::string& t : texts_) pointers_.push_back(t.data());
    pointers_.push_back(nullptr);
    return pointers_.data();
}

word_list arguments_of(const command& c) {
    word_list list;
    list.add(checked(c, command_access::name(c), "its name"));
    for (const std::string& a : command_access::arguments(c)) list.add(checked(c, a, "an argument"));
    return list;
}

word_list environment_of(const command& c, const std::vector<std::string>& inherited) {
    const auto& changes = command_access::variables(c);
    word_list list;
    if (command_access::inherits_environment(c)) {
        for (const std::string& text : inherited) {
            const std::string_view name = std::string_view(text).substr(0, text.find('='));
            const bool changed = std::ranges::any_of(changes, [&](const auto& v) { return v.name == name; });
            if (!changed) list.add(text);
        }
    }
    for (const auto& [name, value] : changes) {
        if (name.empty() || name.find('=') != std::string::npos) {
            refuse(c, "the name of a variable is empty, or has an =: \"" + printable(name) + "\"");
        }
        checked(c, name, "the name of a variable");
        if (value) list.add(name + "=" + checked(c, *value, "the value of a variable"));
    }
    return list;
}

const char* starting_directory_of(const command& c) {
    const auto& path = command_access::directory(c);
    if (!path) return nullptr;
    checked(c, *path, "the directory");
    return path->c_str();
}

word_list programs_of(const command& c, const std::vector<std::string>& inherited) {
    word_list list;
    const std::string program = checked(c, c.program(), "its name");
    if (program.empty() || program.find('/') != std::string::npos) {
        list.add(program);
        return list;
    }
    constexpr std::string_view variable = "PATH=";
    std::string_view rest = "/bin:/usr/bin";
    for (const std::string& text : inherited) {
        if (!text.starts_with(variable)) continue;
        rest = std::string_view(text).substr(variable.size());
        break;
    }
    for (bool more = true; more;) {
        const std::size_t colon = rest.find(':');
        const std::string_view directory = rest.substr(0, colon);
        list.add((directory.empty() ? "." : std::string(directory)) + "/" + program);
        more = colon != std::string_view::npos;
        if (more) rest.remove_prefix(colon + 1);
    }
    return list;
}

}  // namespace bight::detail
