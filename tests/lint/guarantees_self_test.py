#!/usr/bin/env python3
"""Tests guarantees.py and public_names.py on a small project: each kind of mistake is reported, and nothing else. The last
line is a summary in the form of Catch2."""
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
import guarantees  # noqa: E402
import public_names  # noqa: E402

HEADER = """
namespace BIGHT_EXPORT bight {
namespace detail {
class base { public: void wait() noexcept; virtual ~base(); protected: void not_offered(); };
struct hidden { int value() const { return 1; } };
}
class announced;
/// A comment with a word( in it.
template <class T = void>
    requires(sizeof(T) > 1)
class [[nodiscard("give it a (name)")]] door : public detail::base {
  public:
    using value_type = T;
    explicit door(int height) : height_{height}, width_(2) {}
    ~door();
    template <class F> requires std::is_invocable_v<F&> && (sizeof(F) < 8)
    void open(F f) { struct inner { void not_offered(); }; f(); }
    bool is_open() const noexcept { return open_; }
    bool operator==(const door&) const = default;
    bool (*callback)(int) = nullptr;
    struct part { int size() const { return 0; } int many = 1; };
  private:
    void secret();
    int height_, width_;
    bool open_ = false;
};
enum class colour { red, green };
inline constexpr std::size_t most = static_cast<std::size_t>(-1);
template <class F> auto knock(F f, colour c = colour::red) -> std::enable_if_t<(sizeof(F) > 1), int>;
inline void door<int>::open(int) {}
namespace sim { bool sometimes(const char* name, double probability = 1); }
}
template <> struct std::hash<bight::door<int>> { std::size_t operator()(int) const; };
"""
OFFERED = {"door", "door::open", "door::is_open", "door::wait", "door::part", "door::part::size", "colour", "most", "knock",
           "sim::sometimes"}

PAGE = """# Guarantees

| name | bight guarantees | the caller sees to | cancelled | thread | held by |
| --- | --- | --- | --- | --- | --- |
| `door`, `door::open`, `is_open`, `wait`, `part`, `door::part::size` | It opens. | | — | any | `core/door` "a door opens"<br>`compile_fail/slam`<br>`lint/hinges` |
| `colour`, `most`, `knock` | Is heard. | | — | any | `core/door` |
| `sim::sometimes`, `SOMETIMES` | No promise: chance. | | | | |
| `door::callback`, `~door`, `door::part::many` | Rows may name these. | | — | any | `core/door` |
"""

# What is changed in the page, and the beginning of what is said then.
MISTAKES = [
    ("`is_open`, ", "", "include/bight/core/door.hpp: door::is_open has no row"),
    ("`knock`", "`knack`", "docs/guarantees.md:6: no public header offers knack"),
    ("door::callback", "door::height_", "docs/guarantees.md:8: no public header offers door::height_"),
    ('"a door opens"', '"a door shuts"', 'docs/guarantees.md:5: tests/core/door_test.cpp has no test case "a door shuts"'),
    ("`core/door` |", "`core/window` |", "docs/guarantees.md:6: there is no tests/core/window_test.cpp"),
    ("`core/door` |", "`core/unlisted` |", "docs/guarantees.md:6: tests/meson.build does not list core/unlisted"),
    ("compile_fail/slam", "compile_fail/slap", "docs/guarantees.md:5: tests/compile_fail/meson.build has no such mistake"),
    ("lint/hinges", "lint/hinge", "docs/guarantees.md:5: there is no test lint/hinge"),
    ("| `core/door` |", "| none |", "docs/guarantees.md:6: names no test in its last cell"),
    ("| Is heard. | |", "| Is heard. |", "docs/guarantees.md:6: a row has 6 cells, and this one 5"),
    ("| cancelled |", "| when cancelled |", "docs/guarantees.md:3: the columns of such a table are"),
]

FILES = {
    "include/bight/core/door.hpp": HEADER,
    "include/bight/core/detail/door.hpp": "namespace bight { void not_offered(); }",
    "tests/meson.build": "tests_by_room = {\n  'core': [\n    'door',\n  ],\n}\n",
    "tests/compile_fail/meson.build": "mistakes = [\n  'slam',\n]\n",
    "tests/lint/meson.build": "test('lint' / 'hinges', python)\n",
    "tests/core/door_test.cpp": 'TEST_CASE("a door "\n          "opens") {}\n',
    "tests/core/unlisted_test.cpp": 'TEST_CASE("nothing runs this") {}\n',
}


def main():
    checks, wrong = 0, []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / "docs").mkdir()
        page = root / "docs/guarantees.md"

        offered = set(public_names.public_names(root / "include/bight"))
        checks += 1
        if offered != OFFERED:
            wrong.append(f"offered: {sorted(offered ^ OFFERED)} should be, or should not be")
        page.write_text(PAGE)
        checks += 1
        wrong += [f"a page that is right: {mistake}" for mistake in guarantees.check(root)[0]]
        for before, after, said in MISTAKES:
            checks += 1
            page.write_text(PAGE.replace(before, after, 1))
            mistakes = guarantees.check(root)[0]
            if not any(mistake.startswith(said) for mistake in mistakes):
                wrong.append(f"{before} -> {after}: {mistakes}, not {said}")
    print("\n".join(wrong))
    print("test cases: 1 | 1 failed" if wrong else f"All tests passed ({checks} assertions in 1 test case)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
