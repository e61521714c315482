// What coroutine_idioms.py must not report. Read, never compiled.
// clang-format off
#define AWAIT(x) (co_await x) + (co_await x)  // a directive is not read
thread_local int depth = 0;
int& depth_here() { return depth; }

task<> declarations() {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
    if (const bool ok = co_await ready()) go();
    if (auto v = co_await ready(); v) go();
    if (std::optional<std::pair<int, int>> v = co_await ready()) go();
    for (auto& item : co_await items()) go(item);
    for (auto v = co_await first(); v; v = co_await next()) go(v);
    while (auto* p = co_await pointer()) go(p);
    switch (const auto kind = co_await kind_of(x)) { default: break; }
    const auto [a, b] = co_await both();
    auto& [c, d] = co_await both();
    std::string text = "co_await x; co_await y" + R"(co_await "z" ? a : b)";
    const char quote = '"';
    const long number = 1'000'000;
    // co_await in a comment, and co_await
    go(c ? a : b, number, quote, text, d);
    co_await peer.write(c ? a : b);
    table[index] = co_await first();
    sum += (co_await first()).value;
    if (done) co_return co_await first();
    int list[] = {1, 2, 3};
}

task<> declarators(bool b, std::string name) {
    int one = co_await first(), two = co_await second();  // each is a full expression
    const std::map<int, int> table = co_await third(), *other = &co_await fourth();
    for (auto a = co_await first(), z = co_await second(); a != z; ++a) go(a);
    const std::string text = b ? std::string("a") : std::move(name);
    int n = b ? std::string("a").size() : 2, got = co_await first();
    co_await peer.write(b ? text : name, std::string(b ? "a" : "b"));
    co_await number(b ? std::string("a").size() : n);
    co_await number(b ? std::min(n, 2) : count(n));
}

task<> lambdas(group& g, std::string name) {
    auto body = [name](group& inner) -> task<> {
        co_await yield();
        inner.spawn([name, &inner]() -> task<> { co_await yield(); });
        co_await yield();
    };
    co_await with_group(std::move(body));
    co_await with_group([&](group& inner) -> task<> {
        co_await yield();
        if (const bool ok = co_await ready()) co_await yield();
    });
    co_await [&]() -> task<> { co_await yield(); }();
    co_await with_timeout([&]() -> task<> { co_await yield(); }(), 1s);
    g.spawn([name]() -> task<> { co_await yield(); });
    g.spawn([]() -> task<> { co_await yield(); }());
    g.spawn(body);
    const int now = [&] { return name.size(); }();
    co_await wait([this] { return done_; });
    co_await connect({.port = 1, .again = true});
    co_await connect(options{});
    std::sort(all.begin(), all.end(), [name](auto& a, auto& b) { return a < b; });
    co_await yield();
}

task<mutex_guard> guarded(holder* h, std::vector<int>& all) {
    auto guard = co_await m.lock();
    const auto readers = co_await h->readers.lock_shared();
    auto first = 1, second = co_await m.lock();
    guard = co_await m.lock();
    h->kept = co_await m.lock();
    const auto place = co_await with_timeout(jobs.reserve(), 1s);
    keep(co_await m.lock());
    (co_await m.lock()).release();
    all.reserve(3);
    co_await permits.acquire();
    co_await m.lock_and_go();
    co_await lock(m);
    co_await with_timeout(read(all), m.lock());
    (void)co_await m.lock();
    (void)co_await bight::as_result(read(all));
    const auto read_all = co_await bight::as_result(read(all));
    if (const auto more = co_await as_result(read(all))) go(more);
    co_await opened.wait();
    if (auto here = co_await m.lock()) go(here);
    co_await m.lock();  // bight-lint: allow dropped-guard it waits until those before it have gone
    co_return co_await m.lock();
}

task<> unlocked_in_time(std::mutex& of_threads) {
    {
        const std::lock_guard<std::mutex> here(of_threads);
        go();
    }
    co_await go();
    std::unique_lock lock(of_threads);
    lock.unlock();
    co_await go();
    auto job = [&] {
        std::scoped_lock here(of_threads);
        return 1;
    };
    co_await bight::offload(job);
    const std::lock_guard<std::mutex> last(of_threads);
    auto later = [&]() -> task<> { co_await go(); };
    use(later, std::lock_guard<std::mutex>(of_threads));
}

void no_coroutine(std::unique_lock<std::mutex> given, std::mutex& m) {
    std::lock_guard here(m);
    run([&]() -> task<> { co_await go(); });
}

int main() {
    reactor r;
    std::string name;
    r.run([&]() -> task<> { co_await yield(); }());
    auto t = [&]() -> task<> { co_await yield(); };
    r.run(t());
    ++depth;
    return depth ? 1 : 0;
}

struct options {
    int a = 1;
    int b{2};
};

class holder : public base {
  public:
    holder() : a_{1}, b_(2) { go(); }
    task<> run() {
        ++depth_here();
        static int count = 0;
        that.depth = ++count;
        struct local {
            int call() { return depth; }
        };
        co_await yield();
    }
};

task<> excused() {
    const int sum = co_await first() + co_await second();  // bight-lint: allow one-await both are ready at once
    // bight-lint: allow condition this compiler is new enough,
    // and a local is at the top level
    while (co_await ready()) go();
}

#if defined(ONE)
task<> branches() {
    if (a) {
#else
task<> branches() {
    if (b) {
#endif
        co_await yield();
    }
}
