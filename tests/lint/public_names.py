#!/usr/bin/env python3
"""Lists the names that the public headers offer, one a line: HEADER: NAME, where NAME is `name` or `class::member`.

usage: public_names.py INCLUDE_DIRECTORY

Offered are the types, aliases, concepts, functions and constants of namespace bight, and the public member functions of
its classes, with those that a class has from bases in a namespace `detail`; a name in a namespace inside (bight::sim)
has that in front. Not offered is what stands in a namespace `detail` or after `private:` or `protected:`, nor friends,
operators, constructors and destructors, data members, aliases of a class, and what only the compiler calls.

It reads tokens and knows no types; guarantees.py wants a row for each of these names.
"""
import pathlib
import re
import sys

NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|^[ \t]*#(?:\\\n|[^\n])*', re.DOTALL | re.MULTILINE)
TEXT = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'')
TOKEN = re.compile(r"\w+|::|->|<=>|<=|>=|&&|\|\||\[\[|\]\]|[^\s\w]")
WORD = re.compile(r"[A-Za-z_]\w*$")

MACHINERY = {"await_ready", "await_suspend", "await_resume", "promise_type", "visit_jobs"}
# Bases whose public members are the runtime's own.
RUNTIME = {"scope", "waiter", "work_item"}
NO_FUNCTION = {"requires", "noexcept", "explicit", "decltype", "alignas", "sizeof", "static_assert", "operator"}
CLOSING = {"(": ")", "[": "]", "{": "}", "[[": "]]"}


def behind(tokens, at):
    """The place behind the bracket that opens at `at`."""
    opens, depth = tokens[at], 0
    closes = CLOSING.get(opens, ">")
    while at < len(tokens):
        if closes == ">" and tokens[at] in CLOSING:  # comparisons stand in parentheses there
            at = behind(tokens, at)
            continue
        depth += (tokens[at] == opens) - (tokens[at] == closes)
        at += 1
        if depth == 0:
            break
    return at


def simplified(tokens):
    """A declaration without attributes, template headers, and what stands in angle brackets."""
    words, at = [], 0
    while at < len(tokens):
        if tokens[at] == "[[":
            at = behind(tokens, at)
        elif tokens[at] == "<" and words and WORD.match(words[-1]) and words[-1] != "operator":
            at = behind(tokens, at)
            words.append("<>")
        else:
            words.append(tokens[at])
            at += 1
    while words[:2] == ["template", "<>"]:
        words = without_constraint(words[2:])
    return words


def without_constraint(words):
    """What comes after a requires-clause, if the words begin with one."""
    at = 0
    while words[at:at + 1] in (["requires"], ["&&"], ["||"]):
        at += 1
        if words[at:at + 1] == ["("]:
            at = behind(words, at)
            continue
        while words[at + 1:at + 2] == ["::"]:
            at += 2
        at += 2 if words[at + 1:at + 2] == ["<>"] else 1
    return words[at:]


class Declaration:
    """Its kind (namespace, class, struct, enum, function, constant, variable, alias, concept, using; None: something
    else), its name, and the names of a class's public bases."""

    def __init__(self, tokens):
        self.kind, self.name, self.bases = None, None, []
        words = simplified(tokens)
        if not words or words[0] in ("friend", "static_assert", "extern", "typedef") or words[-2:] == ["=", "delete"]:
            return
        names = [word for word in words if WORD.match(word) and not word.startswith("BIGHT_")]
        if words[0] == "namespace":
            self.kind, self.name = "namespace", "::".join(names[1:])
        elif words[0] in ("class", "struct", "union", "enum"):
            self.kind = words[0]
            self.name = next((word for word in names if word not in ("class", "struct", "union", "enum")), None)
            if ":" in words:
                at = [at for at, word in enumerate(words) if word == "public"]
                self.bases = [self.base(words[one + 1:]) for one in at]
        elif words[0] == "concept":
            self.kind, self.name = "concept", words[1]
        elif words[0] == "using":
            self.kind, self.name = ("alias", words[1]) if "=" in words else ("using", words[-1])
            if words[1] == "typename" or words[-3:-2] == words[-1:]:  # a type, or the constructors of a base
                self.kind = None
        elif "operator" not in words:
            self.function_or_constant(words)

    @staticmethod
    def base(words):
        name = ""
        for word in words:
            if not WORD.match(word) and word != "::":
                break
            name = word
        return name

    def function_or_constant(self, words):
        at = 0
        while at < len(words) and words[at] not in ("=", "{"):
            before = words[at - 1] if at else ""
            if words[at] != "(":
                at += 1
            elif WORD.match(before) and before not in NO_FUNCTION:
                if words[at + 1] == "*":  # a pointer to a function
                    self.kind, self.name = "variable", words[at + 2]
                elif words[at - 2:at - 1] not in (["~"], ["::"]):
                    self.kind, self.name = "function", before
                return
            else:
                at = behind(words, at)
        if at and WORD.match(words[at - 1]):
            self.kind, self.name = "constant" if "constexpr" in words[:at] else "variable", words[at - 1]


def declarations(text):
    """(scopes, declaration, whether it is only announced) of all that a header declares outside of functions; a scope is
    (kind, name, whether what comes is public)."""
    tokens = TOKEN.findall(TEXT.sub('""', NOISE.sub(" ", text)))
    scopes, statement, at = [], [], 0
    while at < len(tokens):
        token = tokens[at]
        if token in ("public", "private", "protected") and tokens[at + 1:at + 2] == [":"] and not statement:
            scopes[-1] = (*scopes[-1][:2], token == "public")
            at += 2
        elif token == "}":
            scopes.pop()
            statement, at = [], at + 1
        elif token in ("(", "[", "[["):
            end = behind(tokens, at)
            statement += tokens[at:end]
            at = end
        elif token in (";", "{"):
            found = Declaration(statement)
            yield list(scopes), found, token == ";"
            if token == ";":
                statement, at = [], at + 1
            elif found.kind in ("namespace", "class", "struct", "union"):
                scopes.append((found.kind, found.name, found.kind != "class"))
                statement, at = [], at + 1
            else:  # the body of a function, or an initializer, behind which the declaration goes on
                at = behind(tokens, at)
                goes_on = found.kind != "enum" and statement and tokens[at:at + 1] in ([";"], [","], ["{"])
                statement = statement if goes_on else []
        else:
            statement.append(token)
            at += 1


class Header:
    def __init__(self, path):
        self.members = {}  # of each class: its public member functions
        self.bases = {}  # of each class
        self.offered = []
        self.details = []  # data members and destructors, which a row may name, and need not
        for scopes, found, announced in declarations(path.read_text(encoding="utf-8")):
            if not found.name or found.kind in (None, "namespace"):
                continue
            if not scopes or not scopes[0][1].startswith("bight"):
                continue
            if not all(public for _, _, public in scopes):
                continue
            inside = [name for _, scope, _ in scopes for name in scope.split("::")][1:]
            if found.kind in ("class", "struct", "union", "enum"):
                if announced:
                    continue
                self.bases[found.name] = found.bases
            elif scopes[-1][0] != "namespace":
                if found.kind == "variable" and "detail" not in inside:
                    self.details.append("::".join([*inside, found.name]))
                if found.kind not in ("function", "using") or found.name in MACHINERY or found.name == inside[-1]:
                    continue
                self.members.setdefault(inside[-1], []).append(found.name)
            elif found.kind in ("using", "variable"):
                continue
            if "detail" not in inside:
                self.offered.append("::".join([*inside, found.name]))


def headers_of(include):
    return {path.relative_to(include): Header(path) for path in sorted(include.rglob("*.hpp"))}


def details(include):
    """The data members of what the folder include/bight offers, and the destructors."""
    public = [header for path, header in headers_of(include).items() if "detail" not in path.parts]
    found = {name for header in public for name in header.details}
    found.update(f"{name}::~{name.split('::')[-1]}" for header in public for name in header.offered)
    return found


def public_names(include):
    """{name: the header that offers it}, of the folder include/bight."""
    headers = headers_of(include)
    members, bases = {}, {}
    for header in headers.values():
        for name, own in header.members.items():
            members.setdefault(name, set()).update(own)
        bases.update(header.bases)
    offered = {}
    for path, header in headers.items():
        for name in header.offered if "detail" not in path.parts else ():
            offered.setdefault(name, path.as_posix())
    classes = {name.split("::")[-1] for name in offered}

    def inherited(name):
        for base in bases.get(name, ()):
            if base not in classes and base not in RUNTIME and base != name:
                yield from members.get(base, ())
                yield from inherited(base)

    for name, header in list(offered.items()):
        for member in inherited(name.split("::")[-1]) if "::" not in name or name.startswith("sim::") else ():
            offered.setdefault(f"{name}::{member}", header)
    return offered


def main():
    for name, header in public_names(pathlib.Path(sys.argv[1])).items():
        print(f"{header}: {name}")


if __name__ == "__main__":
    main()
