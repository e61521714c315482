// root_directory: links of all kinds, by the kernel's call and by the walk.
#include "own_directory.hpp"

#include "support/catch.hpp"
#include "support/each_reactor.hpp"

#include "demux/beneath_calls.hpp"

#include <bight/bight.hpp>
#include <bight/os/paths.hpp>
#include <bight/os/root_directory.hpp>
#include <bight/os/whole_file.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using bight::open_root;
using bight::root_directory;
using bight::task;
using test::code_of;
using test::own_directory;

namespace {

/// What a path leads to: "text", or an errno.
struct expected {
    std::string path;
    std::string text;
    int error = 0;
};

/// A tree with a root in it, something beside it, and links of all kinds.
std::vector<expected> make_tree(const std::string& own) {
    const auto directory = [&](const char* name) { REQUIRE(::mkdir((own + name).c_str(), 0700) == 0); };
    const auto file = [&](const char* name, const std::string& text) {
        const int fd = ::open((own + name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        ::close(fd);
    };
    const auto link = [&](const char* name, const std::string& to) {
        REQUIRE(::symlink(to.c_str(), (own + name).c_str()) == 0);
    };
    directory("/root");
    directory("/root/a");
    directory("/root/a/b");
    file("/secret", "secret");
    file("/root/file", "file");
    file("/root/a/b/deep", "deep");
    link("/root/inside", "a/b/deep");
    link("/root/a/up", "../file");
    link("/root/a/b/twice", "../up");
    link("/root/outside", "../secret");
    link("/root/absolute", own + "/root/file");
    link("/root/a/far", "../../secret");
    link("/root/dir", "a/b");
    link("/root/endless", "endless");
    link("/root/up_and_down", "../root/file");
    return {
        {"file", "file"},
        {"./a/../file", "file"},
        {"a//b/./deep", "deep"},
        {"inside", "deep"},
        {"a/up", "file"},
        {"a/b/twice", "file"},
        {"dir/deep", "deep"},
        {"dir/../b/deep", "deep"},
        {"dir/../../file", "file"},
        {"", "", ENOENT},
        {"missing", "", ENOENT},
        {"missing/../file", "", ENOENT},
        {"file/below", "", ENOTDIR},
        {"file/", "", ENOTDIR},
        {"endless", "", ELOOP},
        {"..", "", EXDEV},
        {"../secret", "", EXDEV},
        {"../root/file", "", EXDEV},
        {"a/../../secret", "", EXDEV},
        {"dir/../../../secret", "", EXDEV},
        {"/etc/passwd", "", EXDEV},
        {own + "/root/file", "", EXDEV},
        {"outside", "", EXDEV},
        {"absolute", "", EXDEV},
        {"a/far", "", EXDEV},
        {"up_and_down", "", EXDEV},
    };
}

class beneath_operation final : public bight::detail::status_operation {
    void completed() noexcept override {}
};

std::string text_of(int fd) {
    std::array<char, 20> text{};
    const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
    ::close(fd);
    return std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
}

}  // namespace

TEST_CASE("root_directory: the kernel's call and the walk agree on paths and links of all kinds") {
    const test::temporary_directory here;
    const std::string own = here.file("own");
    REQUIRE(::mkdir(own.c_str(), 0700) == 0);
    const std::vector<expected> all = make_tree(own);
    const int root = ::open((own + "/root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(root >= 0);
    for (const expected& e : all) {
        CAPTURE(e.path);
        beneath_operation op;
        op.file = root;
        op.path = e.path.c_str();
        op.flags = O_RDONLY;
        for (const bool by_kernel : {true, false}) {
            CAPTURE(by_kernel);
            const std::int64_t result =
                by_kernel ? bight::detail::open_beneath(op) : bight::detail::walk_beneath(op);
            if (e.error != 0) {
                CHECK(result == -e.error);
                if (result >= 0) ::close(static_cast<int>(result));
            } else {
                REQUIRE(result >= 0);
                CHECK((::fcntl(static_cast<int>(result), F_GETFD) & FD_CLOEXEC) != 0);
                CHECK(text_of(static_cast<int>(result)) == e.text);
            }
        }
    }
    // What is made at the end of a link that dangles is inside, or is not made.
    REQUIRE(::symlink("a/made", (own + "/root/to_make").c_str()) == 0);
    REQUIRE(::symlink("../made", (own + "/root/not_to_make").c_str()) == 0);
    for (const char* path : {"to_make", "not_to_make"}) {
        beneath_operation op;
        op.file = root;
        op.path = path;
        op.flags = O_WRONLY | O_CREAT;
        op.mode = 0600;
        for (const bool by_kernel : {true, false}) {
            const std::int64_t result =
                by_kernel ? bight::detail::open_beneath(op) : bight::detail::walk_beneath(op);
            if (result >= 0) ::close(static_cast<int>(result));
            CHECK((result >= 0) == (std::string(path) == "to_make"));
        }
    }
    CHECK(::access((own + "/made").c_str(), F_OK) < 0);
    ::close(root);
}

TEST_CASE("root_directory: what is neither file nor directory is refused, without waiting") {
    for (const auto& kind : test::real_reactors()) {
        CAPTURE(kind);
        test::reactor_fixture on(kind);
        on.run([]() -> task<> {
            const test::temporary_directory here;
            const std::string own = co_await own_directory(here);
            const int made = ::mkfifo((own + "/fifo").c_str(), 0600);
            REQUIRE(made == 0);
            co_await bight::write_file(own + "/file", "text");
            const root_directory root = co_await open_root(own);
            const std::error_code error = co_await code_of(root.open("fifo"));
            CHECK(error == std::errc::permission_denied);
            const bight::file f = co_await root.open("file");
            CHECK((::fcntl(static_cast<int>(f.native_handle()), F_GETFL) & O_NONBLOCK) == 0);
            const bight::file d = co_await root.open(".");
            const bight::file_status status = co_await d.status();
            CHECK(status.type == bight::file_type::directory);
        });
    }
}

TEST_CASE("root_directory: directories that are moved in and out meanwhile do not lead the walk out") {
    const test::temporary_directory here;
    const std::string own = here.file("own");
    for (const char* name : {"", "/root", "/root/a", "/root/a/b", "/beside"}) {
        REQUIRE(::mkdir((own + name).c_str(), 0700) == 0);
    }
    const int secret = ::open((own + "/secret").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ::close(secret);
    const int root = ::open((own + "/root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    std::atomic<bool> ends{false};
    std::thread mover([&] {
        const std::string in = own + "/root/a/b";
        const std::string out = own + "/beside/b";
        while (!ends) {
            (void)::rename(in.c_str(), out.c_str());
            (void)::rename(out.c_str(), in.c_str());
        }
    });
    int out = 0;
    for (int i = 0; i < 5000; ++i) {
        beneath_operation op;
        op.file = root;
        op.path = "a/b/../../secret";  // "../secret" from beside/b
        op.flags = O_RDONLY;
        const std::int64_t result =
            i % 2 == 0 ? bight::detail::open_beneath(op) : bight::detail::walk_beneath(op);
        if (result >= 0) {
            ++out;
            ::close(static_cast<int>(result));
        }
    }
    ends = true;
    mover.join();
    ::close(root);
    CHECK(out == 0);
}
