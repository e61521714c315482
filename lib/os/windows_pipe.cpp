#include "windows_pipe.hpp"

#include "child_launch.hpp"
#include "random_name.hpp"

#include "../core/process.hpp"
#include "../core/system_error.hpp"

#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

namespace bight::detail {

namespace {

// As many bytes as a pipe of Linux holds.
constexpr DWORD pipe_capacity = 65536;

[[noreturn]] void cannot_make(const std::string& what) {
    throw std::system_error(system_error_code(last_error()), what);
}

// Lets the user of this process do everything, and nobody else anything: by default everybody may read.
class for_this_user {
  public:
    explicit for_this_user(const std::string& what) {
        HANDLE opened = nullptr;
        if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &opened)) cannot_make(what);
        const owned_handle token(opened);
        DWORD size = 0;
        ::GetTokenInformation(token.get(), TokenUser, nullptr, 0, &size);
        user_.resize(size);
        if (!::GetTokenInformation(token.get(), TokenUser, user_.data(), size, &size)) cannot_make(what);
        const PSID id = reinterpret_cast<const TOKEN_USER*>(user_.data())->User.Sid;
        list_.resize(sizeof(ACL) + sizeof(ACCESS_ALLOWED_ACE) + ::GetLengthSid(id));
        auto* const list = reinterpret_cast<ACL*>(list_.data());
        if (!::InitializeAcl(list, static_cast<DWORD>(list_.size()), ACL_REVISION) ||
            !::AddAccessAllowedAce(list, ACL_REVISION, GENERIC_ALL, id) ||
            !::InitializeSecurityDescriptor(&descriptor_, SECURITY_DESCRIPTOR_REVISION) ||
            !::SetSecurityDescriptorDacl(&descriptor_, TRUE, list, FALSE)) {
            cannot_make(what);
        }
    }
    for_this_user(const for_this_user&) = delete;
    for_this_user& operator=(const for_this_user&) = delete;
    SECURITY_ATTRIBUTES attributes() noexcept { return {sizeof(SECURITY_ATTRIBUTES), &descriptor_, FALSE}; }

  private:
    std::vector<char> user_;
    std::vector<char> list_;
    SECURITY_DESCRIPTOR descriptor_{};
};

// The name is one that nobody has, or the call fails; and there is one instance, so that who opens it has the
// other end of this one.
owned_handle make_named(std::wstring& name, DWORD access, SECURITY_ATTRIBUTES& who) {
    const std::string text = "\\\\.\\pipe\\bight-" + std::to_string(process_number()) + "-" + random_name();
    name.assign(text.begin(), text.end());
    constexpr DWORD mode = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS;
    constexpr DWORD how = FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE;
    return owned_handle(
        ::CreateNamedPipeW(name.c_str(), access | how, mode, 1, pipe_capacity, pipe_capacity, 0, &who));
}

}  // namespace

// The end that writes to a child can read, too: what it would read is the end of that
// (overlapped_pipe::watch).
overlapped_pipe_ends make_overlapped_pipe(bool child_reads, const std::string& what) {
    for_this_user user(what);
    SECURITY_ATTRIBUTES who = user.attributes();
    overlapped_pipe_ends made;
    std::wstring name;
    const DWORD access = child_reads ? PIPE_ACCESS_DUPLEX : PIPE_ACCESS_INBOUND;
    for (int tries = 0; !made.ours && tries < most_names_tried; ++tries) {
        made.ours = make_named(name, access, who);
    }
    if (!made.ours) cannot_make(what);
    // Programs ask for the state of a pipe, and set it: what they write to needs the right for either.
    const DWORD rights =
        child_reads ? GENERIC_READ | FILE_WRITE_ATTRIBUTES : GENERIC_WRITE | FILE_READ_ATTRIBUTES;
    constexpr DWORD as_nobody = SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    made.theirs =
        owned_handle(::CreateFileW(name.c_str(), rights, 0, nullptr, OPEN_EXISTING, as_nobody, nullptr));
    if (!made.theirs) cannot_make(what);
    return made;
}

// child_launch.hpp: neither of the programs is this one.
pipe_ends open_pipe_for_children(const std::string& what) {
    HANDLE reads = nullptr;
    HANDLE writes = nullptr;
    if (!::CreatePipe(&reads, &writes, nullptr, pipe_capacity)) cannot_make(what);
    return {static_cast<int>(reinterpret_cast<native_handle>(reads)),
            static_cast<int>(reinterpret_cast<native_handle>(writes))};
}

}  // namespace bight::detail
