// What coroutine_idioms.py must report: the rule is named at the end of the line. Read, never compiled.
// clang-format off
thread_local int depth = 0;
static thread_local std::vector<int> seen;

task<> one_await() {
    const int sum = co_await first() + co_await second();  // bad: one-await
    co_await outer(co_await inner());                      // bad: one-await
    auto both = call(co_await first(),
                     co_await second());  // bad: one-await
    co_yield co_await first();            // bad: one-await
}

task<> conditions() {
    if (co_await ready()) go();                 // bad: condition
    while (!co_await ready()) go();             // bad: condition
    while (co_await count() > 3) {              // bad: condition
        if constexpr (sizeof(int) == 4) {
            switch (co_await kind()) {          // bad: condition
                case 1: break;
            }
        }
    }
    for (int i = 0; co_await more(i); ++i) go();  // bad: condition
    do {
        go();
    } while (co_await ready());                 // bad: condition
    if (auto x = 1; co_await ready()) go(x);    // bad: condition
    if ((value = co_await ready())) go();       // bad: condition
    if (value = co_await ready()) go();         // bad: condition
    if (that.value = co_await ready()) go();    // bad: condition
}

task<int> conditionals(bool b) {
    const int got = b ? co_await first() : 0;   // bad: conditional
    use(1, b ? 0 : co_await first());           // bad: conditional
    co_return co_await ready() ? 1 : 2;         // bad: conditional
}

struct counted {
    std::string text;
};

task<> temporaries(bool b, std::string name) {
    co_await greet(b ? std::string("a") : name);              // bad: conditional
    co_await greet(b ? name : std::move(name));               // bad: conditional
    const int size = co_await length(b ? counted(name) : counted{"x"});  // bad: conditional
    use(b ? std::optional<int>(1) : other, co_await first());  // bad: conditional
    int n = 1, got = co_await length(n > 1 ? name : n ? name : std::string());  // bad: conditional
}

task<> assigned_in_one_expression() {
    a = co_await first(), b = co_await second();              // bad: one-await
    const int c = call<int, long>(co_await first(), co_await second());  // bad: one-await
}

task<> braces() {
    std::vector<int> all{co_await first()};                  // bad: braces
    auto pair = std::pair<int, int>{1, co_await second()};   // bad: braces
    use({.count = co_await first()});                        // bad: braces
    auto made = std::unique_ptr<int>(new int(co_await first()));  // bad: new
    CHECK(co_await first() == 1);                            // bad: macro
    CHECK_FALSE(done(co_await first()));                     // bad: macro
}

task<> unnamed(std::string name) {
    co_await with_group([name](group& g) -> task<> { co_return; });  // bad: named
    co_await offload([=] { return name.size(); });                   // bad: named
    co_await offload([text = name + "x"]() mutable -> int { return text.size(); });  // bad: named
    co_await connect({.host = name, .port = 1});                     // bad: named
    co_await connect({.host = "a name"});                            // bad: named
    const auto size = co_await length(options{.name = std::string(name)});  // bad: named
    co_await wait([&, name](auto& a) -> std::map<int, int> { return {}; });  // bad: named
}

task<> kept(group& g, std::string name) {
    g.spawn([name]() -> task<> { co_await yield(); }());  // bad: kept-lambda
    task<> t = [&]() -> task<> { co_await yield(); }();   // bad: kept-lambda
    auto child = [&]() -> task<> { co_await yield(); };
    g.spawn(child());                                     // bad: kept-lambda
    home.start(child());                                  // bad: kept-lambda
    co_await std::move(t);
}

task<> maker(std::string name) {
    return [name]() -> task<> { co_return; }();  // bad: kept-lambda
}

task<> per_thread() {
    ++depth;                               // bad: thread-local
    co_await yield();
    static thread_local int times = 0;     // bad: thread-local
    auto inner = [] { return seen.size(); };
    seen.push_back(1);                     // bad: thread-local
}

task<> dropped(bool b, holder* h) {
    co_await m.lock();                               // bad: dropped-guard
    co_await readers.lock_shared();                  // bad: dropped-guard
    co_await h->places[0].scoped_acquire(3);         // bad: dropped-guard
    co_await (of(b, 1).reserve());                   // bad: dropped-guard
    co_await bight::as_result(jobs.reserve());       // bad: dropped-guard
    co_await bight::with_timeout(m.lock(), 1s);      // bad: dropped-guard
    co_await as_result(with_timeout(m.lock(), 1s));  // bad: dropped-guard
    co_await bight::as_result(h->read());            // bad: dropped-result
    go(), co_await as_result(all());                 // bad: dropped-result
    if (b) co_await m.lock();                        // bad: dropped-guard
    else co_await m.lock();                          // bad: dropped-guard
    do co_await m.lock();                            // bad: dropped-guard
    while (b);
    for (int i = 0; i < 3; ++i) co_await m.lock();   // bad: dropped-guard
    go(), co_await m.lock();                         // bad: dropped-guard
    co_await m.lock(), go();                         // bad: dropped-guard
    switch (h->kind) {
        case 1: co_await m.lock();                   // bad: dropped-guard
        default: co_await m.lock();                  // bad: dropped-guard
    }
    auto body = [&]() -> task<> { co_await m.lock(); };  // bad: dropped-guard
    co_await body();
}

task<> held(bool b, std::mutex& of_threads, std::shared_mutex& table) {
    {
        const std::lock_guard<std::mutex> here(of_threads);  // bad: held-lock
        if (b) co_await go();
    }
    std::unique_lock lock{of_threads};  // bad: held-lock
    for (;;) {
        co_await go();
        lock.unlock();
    }
    auto body = [&]() -> task<> {
        std::scoped_lock both(of_threads, table);  // bad: held-lock
        co_yield 1;
    };
    std::shared_lock<std::shared_mutex> reads = look(table);  // bad: held-lock
    co_await body();
}

struct server {
    task<> run() {
        if (co_await ready()) go();  // bad: condition
        auto later = [this] -> task<> {
            while (co_await ready()) go();  // bad: condition
        };
    }
    // bight-lint: allow one-await another rule than this one breaks
    task<bool> ready() { co_return co_await a() ? true : false; }  // bad: conditional
};

namespace deeper {
template <class T>
task<T> function_try(T t) try {
    co_return co_await t(co_await t);  // bad: one-await
} catch (...) {
}
}  // namespace deeper
