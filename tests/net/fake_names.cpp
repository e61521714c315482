#include "fake_names.hpp"

#include <dlfcn.h>
#include <netdb.h>
#include <sys/socket.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

namespace {

struct known {
    std::vector<std::string> ips;
    bool hangs = false;
    bool by_loopback_only = false;
};

struct directory {
    std::mutex lock;
    std::condition_variable changed;
    std::map<std::string, known> names;
    std::map<std::string, int> hanging;  // look-ups, by name
};

directory& all_names() {
    static directory the_directory;
    return the_directory;
}

void add(const std::string& name, known what) {
    directory& d = all_names();
    const std::lock_guard hold(d.lock);
    d.names[name] = std::move(what);
}

using getaddrinfo_function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

int of_the_machine(const char* host, const char* service, const addrinfo* hints, addrinfo** found) {
    static const auto next = reinterpret_cast<getaddrinfo_function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return next(host, service, hints, found);
}

}  // namespace

// Each node of the list is freed by itself in glibc, so lists may be joined.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** found) {
    std::vector<std::string> ips;
    {
        directory& d = all_names();
        std::unique_lock hold(d.lock);
        const auto at = host ? d.names.find(host) : d.names.end();
        if (at == d.names.end()) return of_the_machine(host, service, hints, found);
        if (at->second.hangs) {
            const std::string name = host;
            ++d.hanging[name];
            d.changed.wait(hold, [&] { return d.names.find(name) == d.names.end(); });
            --d.hanging[name];
            d.changed.notify_all();
            return EAI_AGAIN;
        }
        // The loopback's addresses do not count (getaddrinfo(3)).
        const bool asks_for_one_family =
            hints && (hints->ai_flags & AI_ADDRCONFIG) != 0 && hints->ai_family != 0;
        if (at->second.by_loopback_only && asks_for_one_family) return EAI_NONAME;
        ips = at->second.ips;
    }
    addrinfo numeric{};
    numeric.ai_socktype = SOCK_STREAM;
    numeric.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo** end = found;
    *end = nullptr;
    const int family = hints ? hints->ai_family : AF_UNSPEC;
    for (const std::string& ip : ips) {
        const bool six = ip.find(':') != std::string::npos;
        if (family != AF_UNSPEC && family != (six ? AF_INET6 : AF_INET)) continue;
        const int status = of_the_machine(ip.c_str(), service, &numeric, end);
        if (status != 0) return status;
        while (*end) end = &(*end)->ai_next;
    }
    return *found ? 0 : EAI_NONAME;
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
    std::unique_lock hold(d.lock);
    d.names.erase(name_);
    d.changed.notify_all();
    d.changed.wait(hold, [&] { return d.hanging[name_] == 0; });
}

int hanging_look_ups(const std::string& name) {
    directory& d = all_names();
    const std::lock_guard hold(d.lock);
    return d.hanging[name];
}

}  // namespace test
