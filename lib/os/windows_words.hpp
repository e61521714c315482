// The texts that a child of Windows is started with.
#pragma once

#include <bight/os/command.hpp>

#include <string>
#include <string_view>

namespace bight::detail {

/// UTF-16 of a text of the command. Throws std::system_error: EINVAL when it has a zero byte, EILSEQ when it
/// is no UTF-8. `what` is for that: "an argument".
std::wstring wide_text_of(const command& c, std::string_view text, const char* what);

/// Adds an argument to a command line so that CommandLineToArgvW, and the libraries of C, read it back.
void append_argument(std::wstring& line, std::wstring_view argument);

/// The name and the arguments in one line. Throws std::system_error (EINVAL, EILSEQ, E2BIG).
std::wstring command_line_of(const command& c);

/// The line by which cmd.exe (whose path it is given) runs a batch file. It reads lines by rules of its own,
/// so that some arguments cannot be passed on: they are EINVAL.
std::wstring batch_line_of(const command& c, const std::wstring& cmd, const std::wstring& file);

/// The environment as CreateProcess takes it. One that is empty on request has SystemRoot all the same,
/// unless that is left out by name: hardly a program starts without it.
std::wstring environment_block_of(const command& c);

}  // namespace bight::detail
