// Decrypts a file with gpg: the passphrase on its descriptor 3, its progress on 4.   gpg FILE PASSPHRASE_FILE
#include <bight/bight.hpp>
#include <bight/os/process.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

// A gpg that has given up reads no more, and says why by its exit status.
bight::task<> give(bight::stream& to, std::string_view text) {
    (void)co_await bight::as_result(to.write(text));
    co_await to.close();
}

bight::task<std::string> take(bight::stream& from) {
    std::string all;
    while (auto part = co_await from.read_some()) all += part.view();
    co_return all;
}

bight::task<std::string> decrypt(std::string passphrase, std::string message) {
    bight::command gpg("gpg", "--decrypt", "--passphrase-fd", "3", "--status-fd", "4", "--batch",
                       "--pinentry-mode", "loopback");
    gpg.pipe_to(0).pipe_from(1).inherit(2).pipe_to(3).pipe_from(4);
    bight::process child = bight::process::spawn(gpg);
    auto all = co_await bight::when_all(give(child.pipe(3), passphrase), give(child.pipe(0), message),
                                        take(child.pipe(1)), take(child.pipe(4)));
    std::fputs(std::get<3>(all).c_str(), stderr);
    const bight::process_status how = co_await child.wait_drained();
    if (!how.success()) throw std::runtime_error("gpg: " + how.to_string());
    co_return std::move(std::get<2>(all));
}

bight::task<> show(std::string passphrase, std::string message) {
    const std::string plain = co_await decrypt(passphrase, message);
    std::fwrite(plain.data(), 1, plain.size(), stdout);
}

std::string read_file(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(std::string("cannot read ") + path);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: gpg FILE PASSPHRASE_FILE\n", stderr);
        return 2;
    }
    return bight::exit_status_of([&] { return bight::run(show(read_file(argv[2]), read_file(argv[1]))); });
}
