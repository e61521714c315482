// readable_name: the name of a function as its author writes it.
#pragma once

#include <string>
#include <string_view>

namespace bight::detail {

/// Makes std::source_location::function_name() readable: "app::session::read" or "a lambda in main", without
/// return type, parameters, template arguments and unnamed namespaces. g++ names a coroutine
/// "void f(f(int)::_Z1fi.Frame*)" and a lambda "main()::<lambda(int)>::operator()(…)"; clang "task<> f(int)"
/// and "auto main()::(anonymous class)::operator()(int) const". A name that cannot be parsed is returned as
/// it is.
std::string readable_name(std::string_view function);

}  // namespace bight::detail
