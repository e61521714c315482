// fake_name and hanging_name, where names are looked up by GetAddrInfoExW: the library finds that and its
// fellows by GetProcAddress, whose place is taken here.
#include "fake_names.hpp"

#include "support/windows/posix.hpp"

#include <bight/io/address.hpp>

#include <windows.h>
#include <winternl.h>

#include <condition_variable>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

extern "C" NTSTATUS NTAPI LdrGetProcedureAddress(HMODULE library, const ANSI_STRING* name, ULONG number,
                                                 void** found);

namespace {

using completion = void(CALLBACK*)(DWORD error, DWORD bytes, OVERLAPPED* overlapped);
using start_call = int(WSAAPI*)(PCWSTR name, PCWSTR service, DWORD space, LPGUID provider,
                                const ADDRINFOEXW* hints, ADDRINFOEXW** found, timeval* limit,
                                OVERLAPPED* overlapped, completion completed, HANDLE* cancel);
using cancel_call = int(WSAAPI*)(HANDLE* cancel);

struct known {
    std::vector<std::string> ips;
    bool hangs = false;
    bool by_loopback_only = false;
};

struct looking_up {
    std::string name;
    OVERLAPPED* overlapped;
    completion completed;
    DWORD status;
};

struct directory {
    std::mutex lock;
    std::map<std::string, known> names;
    std::list<looking_up> hanging;
    std::set<const void*> lists;  // what was made here, and is to be freed here
};

directory& all_names() {
    static directory the_directory;
    return the_directory;
}

void* of_the_system(HMODULE library, const char* name) {
    const auto size = static_cast<USHORT>(std::strlen(name));
    const ANSI_STRING text{size, static_cast<USHORT>(size + 1), const_cast<char*>(name)};
    void* found = nullptr;
    return LdrGetProcedureAddress(library, &text, 0, &found) >= 0 ? found : nullptr;
}

template <class Call>
Call of_winsock(const char* name) {
    return reinterpret_cast<Call>(of_the_system(::GetModuleHandleW(L"ws2_32.dll"), name));
}

struct owned_address {
    ADDRINFOEXW info{};
    sockaddr_storage address{};
};

// mingw's header gives the link another type.
void set_next(ADDRINFOEXW& of, ADDRINFOEXW* next) { std::memcpy(&of.ai_next, &next, sizeof next); }
ADDRINFOEXW* next_of(const ADDRINFOEXW& of) {
    ADDRINFOEXW* next = nullptr;
    std::memcpy(&next, &of.ai_next, sizeof next);
    return next;
}

// Those of one family, in their order; null when there is none.
ADDRINFOEXW* list_of(const std::vector<std::string>& ips, unsigned short port, int family) {
    ADDRINFOEXW* first = nullptr;
    ADDRINFOEXW* last = nullptr;
    for (const std::string& ip : ips) {
        const auto at = bight::address::from_ip(ip, port);
        if (family != AF_UNSPEC && family != at.native_family()) continue;
        auto* const made = new owned_address;
        std::memcpy(&made->address, at.native(), at.native_size());
        made->info.ai_family = at.native_family();
        made->info.ai_socktype = SOCK_STREAM;
        made->info.ai_addrlen = at.native_size();
        made->info.ai_addr = reinterpret_cast<sockaddr*>(&made->address);
        last ? set_next(*last, &made->info) : void(first = &made->info);
        last = &made->info;
    }
    return first;
}

// Calls back on a thread of the system's, as it does.
void end_later(looking_up ended) {
    ::QueueUserWorkItem(
        [](void* p) -> DWORD {
            const std::unique_ptr<looking_up> it(static_cast<looking_up*>(p));
            it->completed(it->status, 0, it->overlapped);
            return 0;
        },
        new looking_up(std::move(ended)), WT_EXECUTEDEFAULT);
}

int WSAAPI fake_start(PCWSTR name, PCWSTR service, DWORD space, LPGUID provider, const ADDRINFOEXW* hints,
                      ADDRINFOEXW** found, timeval* limit, OVERLAPPED* overlapped, completion completed,
                      HANDLE* cancel) {
    const std::wstring wide = name;
    const std::string narrow(wide.begin(), wide.end());
    directory& d = all_names();
    const std::lock_guard hold(d.lock);
    const auto at = d.names.find(narrow);
    if (at == d.names.end()) {
        static const auto call = of_winsock<start_call>("GetAddrInfoExW");
        return call(name, service, space, provider, hints, found, limit, overlapped, completed, cancel);
    }
    looking_up begun{narrow, overlapped, completed, 0};
    if (at->second.hangs) {
        d.hanging.push_back(begun);
        *cancel = &d.hanging.back();
        return WSA_IO_PENDING;
    }
    // The loopback's addresses do not count (GetAddrInfoExW, AI_ADDRCONFIG).
    const int family = hints->ai_family;
    const bool none =
        at->second.by_loopback_only && (hints->ai_flags & AI_ADDRCONFIG) != 0 && family != AF_UNSPEC;
    ADDRINFOEXW* const made =
        none ? nullptr
             : list_of(at->second.ips, static_cast<unsigned short>(service ? std::stoi(service) : 0), family);
    begun.status = made ? 0 : WSAHOST_NOT_FOUND;
    if (made) d.lists.insert(made);
    *found = made;
    end_later(std::move(begun));
    return WSA_IO_PENDING;
}

int WSAAPI fake_cancel(HANDLE* which) {
    directory& d = all_names();
    {
        const std::lock_guard hold(d.lock);
        for (auto at = d.hanging.begin(); at != d.hanging.end(); ++at) {
            if (*which != &*at) continue;
            at->status = WSA_E_CANCELLED;
            end_later(*at);
            d.hanging.erase(at);
            return 0;
        }
    }
    static const auto call = of_winsock<cancel_call>("GetAddrInfoExCancel");
    return *which && call ? call(which) : WSA_INVALID_HANDLE;
}

void WSAAPI fake_free(ADDRINFOEXW* list) {
    directory& d = all_names();
    bool ours = false;
    {
        const std::lock_guard hold(d.lock);
        ours = d.lists.erase(list) > 0;
    }
    if (!ours) {
        static const auto call = of_winsock<void(WSAAPI*)(ADDRINFOEXW*)>("FreeAddrInfoExW");
        call(list);
        return;
    }
    while (list) {
        ADDRINFOEXW* const next = next_of(*list);
        delete reinterpret_cast<owned_address*>(list);  // whose first member it is
        list = next;
    }
}

FARPROC WINAPI find_call(HMODULE library, LPCSTR name) {
    const auto number = reinterpret_cast<ULONG_PTR>(name);
    void* found = nullptr;
    if (number <= 0xffff) {
        (void)LdrGetProcedureAddress(library, nullptr, static_cast<ULONG>(number), &found);
    } else if (std::strcmp(name, "GetAddrInfoExW") == 0) {
        found = reinterpret_cast<void*>(&fake_start);
    } else if (std::strcmp(name, "GetAddrInfoExCancel") == 0) {
        found = reinterpret_cast<void*>(&fake_cancel);
    } else {
        found = of_the_system(library, name);
    }
    return reinterpret_cast<FARPROC>(found);
}

void add(const std::string& name, known what) {
    directory& d = all_names();
    const std::lock_guard hold(d.lock);
    d.names[name] = std::move(what);
}

}  // namespace

// What a call of an imported function goes through. The linker takes these before those of the import
// library.
extern "C" {
decltype(&find_call) __imp_GetProcAddress = &find_call;
decltype(&fake_free) __imp_FreeAddrInfoExW = &fake_free;
}

namespace test {

fake_name::fake_name(std::string name, std::vector<std::string> ips, machine on) : name_(std::move(name)) {
    add(name_, {std::move(ips), false, on == machine::has_loopback_only});
}

fake_name::~fake_name() {
    directory& d = all_names();
    const std::lock_guard hold(d.lock);
    d.names.erase(name_);
}

hanging_name::hanging_name(std::string name) : name_(std::move(name)) { add(name_, {{}, true, false}); }

hanging_name::~hanging_name() {
    directory& d = all_names();
    const std::lock_guard hold(d.lock);
    d.names.erase(name_);
    for (auto at = d.hanging.begin(); at != d.hanging.end();) {
        if (at->name != name_) {
            ++at;
            continue;
        }
        at->status = WSATRY_AGAIN;
        end_later(*at);
        at = d.hanging.erase(at);
    }
}

int hanging_look_ups(const std::string& name) {
    directory& d = all_names();
    const std::lock_guard hold(d.lock);
    int count = 0;
    for (const looking_up& l : d.hanging) count += l.name == name;
    return count;
}

}  // namespace test
