#!/usr/bin/env python3
"""Finds forms of C++20 coroutines that compilers get wrong, or that leave references behind.

usage: coroutine_idioms.py [--summary] FILE_OR_DIRECTORY...

Prints FILE:LINE: RULE: what to write instead, for each that it finds (in generated code the file and line of the last
#line, as compilers do); the exit status is 1 then, 0 when there is none, and 2 when a file cannot be read. The rules,
and what is behind them, are in docs/design/pitfalls.md:

  one-await      two co_await in one full expression
  condition      co_await in the condition of if, while, switch or for that declares no variable
  conditional    co_await in an operand of ?:, or ?: between temporaries in an expression that awaits
  braces         co_await in a braced list
  new            co_await in the initializer of new
  macro          co_await in the argument of a macro
  named          a temporary lambda with captures by value, or an aggregate, in an expression that awaits
  kept-lambda    a capturing lambda that is a coroutine, called without being awaited in the same expression
  thread-local   a thread_local that a coroutine touches
  dropped-guard  a lock, permits or a place that are awaited and given back at once, as nothing keeps the guard
  dropped-result the result of as_result, with the error in it, that nothing looks at
  held-lock      a lock of std (lock_guard, unique_lock, scoped_lock, shared_lock) that is held over a co_await

A line is exempt when it, or a comment alone on the line before, says:  // bight-lint: allow RULE why

It reads tokens and knows no types, needs nothing but Python 3.6, and prefers missing a case to reporting good code.
"""
import os
import re
import sys

SUFFIXES = (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".h", ".ipp")

ADVICE = {
    "one-await": "one co_await in a full expression: name the result of each",
    "condition": "declare a variable in the condition, as in `if (const bool ok = co_await x)`, or await before it",
    "conditional": "write if and else instead of ?:, with one co_await in each; what ?: makes gets a name before it is "
                   "awaited",
    "braces": "await first, into a named local, and put that into the braces",
    "new": "await first, into a named local",
    "macro": "await first, into a named local: the macro makes a larger expression of it",
    "named": "give the lambda or the aggregate a name first, and std::move it into the call",
    "kept-lambda": "nobody keeps the lambda while its task runs: give the scope the lambda itself, as in "
                   "spawn(lambda, arguments...), or co_await the call",
    "thread-local": "reach a thread_local through a function that is not inlined: compilers keep its address across "
                    "an await",
    "held-lock": "a lock of std belongs to the thread, which goes on with other tasks meanwhile: end its block before the "
                 "await, or use a bight::mutex",
    "dropped-guard": "what was awaited is given back at once: keep the guard, as in `auto guard = co_await m.lock();`",
    "dropped-result": "an error is lost here: look at the result, as in `if (const auto sent = co_await as_result(...))`, "
                      "or write (void) before it",
}

TOKEN = re.compile(
    r"""
    (?P<comment>//[^\n]*|/\*.*?\*/)
  | (?P<directive>^[ \t]*\#(?:\\\n|//[^\n]*|/\*.*?\*/|[^\n])*)
  | (?P<string>(?:u8|[uUL])?R"(?P<mark>[^()\\\s]*)\(.*?\)(?P=mark)"|(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
  | (?P<number>\.?\d(?:[eEpP][+-]|'?[\w.])*)
  | (?P<character>(?:u8|[uUL])?'(?:\\.|[^'\\\n])+')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<operator>->\*|->|::|<=>|<<=|\+\+|--|<<|[<>=!+\-*/%&|^]=|&&|\|\||[^\sA-Za-z_0-9])
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
AWAITS = ("co_await", "co_yield")
COROUTINE = ("co_await", "co_yield", "co_return")
CONTROL = ("if", "while", "switch", "for")
# What stands in a block and never in a braced list.
OF_BLOCKS = CONTROL + ("else", "do", "try", "catch", "return", "co_return", "case", "using", "class", "struct",
                       "namespace")
# Names before a `[` that opens a lambda all the same.
BEFORE_LAMBDA = ("return", "co_return", "co_await", "co_yield", "case", "else", "do", "throw")
# What begins a statement and no declaration.
NO_TYPES = ("return", "co_return", "co_await", "co_yield", "throw", "delete", "new", "goto", "else", "do")
# Of std, what makes an object with a destructor.
STD_OBJECTS = ("string", "wstring", "u8string", "vector", "deque", "list", "map", "set", "unordered_map",
               "unordered_set", "pair", "tuple", "optional", "variant", "any", "function", "unique_ptr", "shared_ptr",
               "make_unique", "make_shared", "make_pair", "make_tuple", "make_optional", "to_string", "move", "exchange")
# Calls that come back when the task has ended.
WAITS = ("run", "run_to_status", "block_on")
# Members whose awaited result is a guard, and functions that hand on what they await, or a result with it.
GUARDED = ("lock", "lock_shared", "scoped_acquire", "reserve")
# Of std, what locks as long as it lives.
STD_LOCKS = ("lock_guard", "unique_lock", "scoped_lock", "shared_lock")
HANDS_ON = ("with_timeout", "try_with_timeout", "as_result", "shield")
CLOSING = {"(": ")", "[": "]", "{": "}"}
# #line 12 "page.md"
LINE_DIRECTIVE = re.compile(r'[ \t]*#[ \t]*line[ \t]+(\d+)[ \t]+"([^"]*)"')


class Token:
    __slots__ = ("kind", "text", "line")

    def __init__(self, kind, text, line):
        self.kind = kind
        self.text = text
        self.line = line


class Lambda:
    """[captures] … { body }, from token `begin` to token `end`, the closing brace."""

    def __init__(self, begin, body, end, captures):
        self.begin = begin
        self.body = body
        self.end = end
        self.captures = captures
        self.coroutine = False

    def by_value(self):
        return any(c[0] not in ("&", "this") for c in self.captures)


class Source:
    def __init__(self, text):
        self.tokens = []
        self.allowed = set()  # (line, rule)
        self.findings = []  # (line, rule)
        self.renamed = []  # (line, number, file) of each #line
        self.tokenize(text)
        self.match_brackets()
        self.find_lambdas()
        self.find_functions()
        self.classes = {self.text(i + 1) for i, t in enumerate(self.tokens) if t.text in ("class", "struct")}
        self.thread_locals = {self.declared_name(i) for i, t in enumerate(self.tokens) if t.text == "thread_local"}

    # Reading

    def tokenize(self, text):
        line = 1
        at = 0
        for match in TOKEN.finditer(text):
            line += text.count("\n", at, match.start())
            at = match.start()
            kind = match.lastgroup if match.lastgroup != "mark" else "string"
            if kind == "comment":
                self.read_comment(text, match, line)
            elif kind == "directive":
                said = LINE_DIRECTIVE.match(match.group())
                if said:
                    self.renamed.append((line, int(said.group(1)), said.group(2)))
            else:
                self.tokens.append(Token(kind, match.group(), line))

    def place(self, path, line):
        """FILE:LINE of a line of `path`: those that the last #line before it gives."""
        for at, number, file in reversed(self.renamed):
            if at < line:
                return f"{file}:{number + line - at - 1}"
        return f"{path}:{line}"

    def read_comment(self, text, match, line):
        said = re.search(r"bight-lint: allow ([a-z-]+)", match.group())
        if not said:
            return
        self.allowed.add((line, said.group(1)))
        line_before = text[text.rfind("\n", 0, match.start()) + 1:match.start()]
        if not line_before.strip():  # alone on its line: the next line with anything else
            rest = text[match.end():]
            skipped = re.match(r"(?:\s|//[^\n]*\n)*", rest).group()
            self.allowed.add((line + skipped.count("\n"), said.group(1)))

    def match_brackets(self):
        self.pair = {}
        self.inside = [None] * len(self.tokens)  # the opening bracket around each token
        stack = []
        for i, t in enumerate(self.tokens):
            if t.kind != "operator":
                self.inside[i] = stack[-1] if stack else None
                continue
            if t.text in ")]}":
                # A bracket that the branches of an #if open twice is given up.
                while stack and CLOSING[self.tokens[stack[-1]].text] != t.text:
                    stack.pop()
                if stack:
                    opening = stack.pop()
                    self.pair[opening] = i
                    self.pair[i] = opening
            self.inside[i] = stack[-1] if stack else None
            if t.text in "([{":
                stack.append(i)

    def text(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def skip_angles(self, i):
        """The token after the template arguments that begin at i."""
        depth = 0
        while i < len(self.tokens):
            text = self.text(i)
            if text in CLOSING and i in self.pair:
                i = self.pair[i]
            elif text == "<":
                depth += 1
            elif text == ">":
                depth -= 1
                if depth == 0:
                    return i + 1
            elif text in (";", "{", "}"):
                return i
            i += 1
        return i

    def find_lambdas(self):
        self.lambdas = {}  # by their first token
        self.bodies = {}  # by the opening brace
        for i, t in enumerate(self.tokens):
            if t.text != "[" or i not in self.pair or self.text(i + 1) == "[" or self.text(i - 1) == "[":
                continue
            before = self.tokens[i - 1] if i else None
            if before and (before.text in (")", "]") or before.kind in ("string", "number") or
                           (before.kind == "name" and before.text not in BEFORE_LAMBDA)):
                continue
            body = self.lambda_body(self.pair[i] + 1)
            if body is None or body not in self.pair:
                continue
            found = Lambda(i, body, self.pair[body], self.split(i + 1, self.pair[i], ","))
            self.lambdas[i] = found
            self.bodies[body] = found

    def lambda_body(self, i):
        if self.text(i) == "<":
            i = self.skip_angles(i)
        while i < len(self.tokens):
            text = self.text(i)
            if text == "{":
                return i
            if text in ("(", "[") and i in self.pair:
                i = self.pair[i] + 1
            elif text == "<":
                i = self.skip_angles(i)
            elif text in (";", ",", "=", ")", "]", "}", "."):
                return None
            else:
                i += 1
        return None

    def split(self, begin, end, separator):
        """The texts of tokens begin to end, in the parts that `separator` divides them into."""
        parts = [[]]
        i = begin
        while i < end:
            if self.text(i) == separator:
                parts.append([])
            else:
                parts[-1].append(self.text(i))
            i += 1
        return [p for p in parts if p]

    def find_functions(self):
        """Which blocks are bodies of coroutines: those of functions and lambdas with a co_… of their own."""
        self.coroutines = set()
        for i, t in enumerate(self.tokens):
            if t.text not in COROUTINE:
                continue
            body = self.function_around(i)
            if body is not None:
                self.coroutines.add(body)
                if body in self.bodies:
                    self.bodies[body].coroutine = True

    def function_around(self, i):
        """The brace that opens the function or lambda which token i belongs to."""
        function = None
        at = self.inside[i]
        while at is not None:
            if self.text(at) == "{":
                if at in self.bodies:
                    return at
                if self.opens_scope(at):
                    return function
                function = at
            at = self.inside[at]
        return function

    def opens_scope(self, brace):
        """Whether a brace is that of a namespace or a class."""
        i = brace - 1
        while i >= 0 and self.text(i) not in (";", "{", "}"):
            if self.text(i) == ")" and i in self.pair:
                i = self.pair[i]
            elif self.text(i) in ("namespace", "class", "struct", "union", "enum", "extern"):
                return self.text(i + 1) != ">" and self.text(i - 1) not in ("<", ",")
            i -= 1
        return False

    def declared_name(self, i):
        """What a declaration with thread_local declares."""
        name = ""
        while i < len(self.tokens) and self.text(i) not in (";", "=", "{", "("):
            if self.text(i) == "<":
                i = self.skip_angles(i)
                continue
            if self.tokens[i].kind == "name":
                name = self.text(i)
            i += 1
        return name

    # Judging

    def report(self, i, rule):
        line = self.tokens[i].line
        if (line, rule) not in self.allowed and (line, rule) not in self.findings:
            self.findings.append((line, rule))

    def check(self):
        self.check_block(0, len(self.tokens), {})
        for i, t in enumerate(self.tokens):
            if t.text == "thread_local" or (t.text in self.thread_locals and t.text and
                                            self.text(i - 1) not in (".", "->")):
                if self.function_around(i) in self.coroutines:
                    self.report(i, "thread-local")
            if t.text in STD_LOCKS and self.text(i - 1) == "::" and self.text(i - 2) == "std" and self.is_held(i):
                self.report(i, "held-lock")
        return sorted(self.findings)

    def is_held(self, i):
        """Whether the lock that token i declares is alive at an await of its coroutine."""
        block = self.inside[i]
        if block is None or self.text(block) != "{" or block not in self.pair:
            return False
        name = self.skip_angles(i + 1) if self.text(i + 1) == "<" else i + 1
        if self.tokens[name].kind != "name":
            return False
        for at in range(name + 1, self.pair[block]):
            if self.text(at) == self.text(name) and self.text(at + 1) == "." and self.text(at + 2) == "unlock":
                return False
            if self.text(at) in AWAITS and self.function_around(at) == self.function_around(i):
                return True
        return False

    def is_block(self, brace):
        end = self.pair.get(brace, brace)
        i = brace + 1
        while i < end:
            text = self.text(i)
            if text == ";" or text in OF_BLOCKS:
                return True
            if text in CLOSING and i in self.pair:
                if text == "{" and i not in self.bodies and self.is_block(i):
                    return True
                i = self.pair[i]
            i += 1
        return False

    def check_block(self, begin, end, known):
        """`known`: names of capturing lambdas that are coroutines, declared in the blocks around."""
        known = dict(known)
        start = i = begin
        while i < end:
            text = self.text(i)
            if text in CONTROL and self.tokens[i].kind == "name":
                opening = i + 1 if self.text(i + 1) == "(" else i + 2  # if constexpr
                if self.text(opening) == "(" and opening in self.pair:
                    self.check_header(text, opening, known)
                    start = i = self.pair[opening] + 1
                    continue
            if text == ";":
                self.check_expression(start, i, known)
                start = i + 1
            elif text == "{" and i in self.pair:
                if i in self.bodies or not self.is_block(i):
                    i = self.pair[i]
                else:
                    self.check_expression(start, i, known)
                    self.check_block(i + 1, self.pair[i], known)
                    start = i = self.pair[i] + 1
                    continue
            elif text in CLOSING and i in self.pair:
                i = self.pair[i]
            i += 1
        self.check_expression(start, end, known)

    def check_header(self, keyword, opening, known):
        end = self.pair[opening]
        parts = []
        start = i = opening + 1
        while i < end:
            if self.text(i) in CLOSING and i in self.pair:
                i = self.pair[i]
            elif self.text(i) == ";":
                parts.append((start, i))
                start = i + 1
            i += 1
        parts.append((start, end))
        condition = 1 if keyword == "for" else len(parts) - 1
        for n, (first, last) in enumerate(parts):
            awaits = self.check_expression(first, last, known)
            if awaits and n == condition and not self.declares(first, last):
                self.report(awaits[0], "condition")

    def declares(self, first, last):
        """Whether a condition is a declaration: `type name = …`."""
        i = first
        while i < last and self.text(i) != "=":
            i = self.pair[i] + 1 if self.text(i) in CLOSING and i in self.pair else i + 1
        if i >= last or i - first < 2:
            return False
        name, before = self.tokens[i - 1], self.text(i - 2)
        return (name.kind == "name" or name.text == "]") and before not in (".", "->", "::", "!", "(")

    def check_expression(self, first, last, known):
        """An expression or a declaration, each declarator of which is a full expression of its own. Gives the places
        of its awaits."""
        awaits = []
        for begin, end in self.declarators(first, last):
            awaits += self.check_full_expression(begin, end, known)
        return awaits

    def declarators(self, first, last):
        """Where `type a = …, b = …` has one initializer after the other; else one part."""
        if first >= last or self.tokens[first].kind != "name" or self.text(first) in NO_TYPES or \
                not self.declares(first, last):
            return [(first, last)]
        starts = [first]
        i = first
        while i < last and self.text(i) != "=":  # the commas of template arguments are before it
            i = self.pair[i] + 1 if self.text(i) in CLOSING and i in self.pair else i + 1
        while i < last:
            if self.text(i) in CLOSING and i in self.pair:
                i = self.pair[i]
            elif self.text(i) == ",":
                name = i + 1
                while self.text(name) in ("*", "&"):
                    name += 1
                if name >= last or self.tokens[name].kind != "name" or self.text(name + 1) not in ("=", "(", "{", ",", ";"):
                    return [(first, last)]
                starts.append(i + 1)
            i += 1
        return list(zip(starts, starts[1:] + [last]))

    def check_full_expression(self, first, last, known):
        awaits = []
        lambdas = []
        i = first
        while i < last:
            text = self.text(i)
            if i in self.lambdas:
                found = self.lambdas[i]
                lambdas.append(found)
                self.check_block(found.body + 1, found.end, known)
                i = found.end
            elif text == "{" and i in self.pair and self.is_block(i):  # a local class, or a statement expression
                self.check_block(i + 1, self.pair[i], known)
                i = self.pair[i]
            elif text in AWAITS:
                awaits.append(i)
            i += 1

        if len(awaits) > 1:
            self.report(awaits[1], "one-await")
        for i in awaits:
            self.check_around(i, first)
            self.check_dropped(i, first, last)
        if awaits:
            for found in lambdas:
                if found.captures and found.by_value():
                    self.report(found.begin, "named")
            self.check_aggregates(first, last)
            self.check_temporaries(first, last)
        for found in lambdas:
            self.check_kept(found, first, bool(awaits))
        self.check_started(first, last, known)
        for found in lambdas:
            if found.captures and found.coroutine and self.text(found.begin - 1) == "=" and \
                    self.text(found.end + 1) != "(" and self.tokens[found.begin - 2].kind == "name":
                known[self.text(found.begin - 2)] = True
        return awaits

    def check_around(self, await_, first):
        """What stands around an await, in its own full expression."""
        if self.in_conditional(await_, first):
            self.report(await_, "conditional")
        at = self.inside[await_]
        while at is not None and at >= first:
            if self.text(at) == "{" and not self.is_block(at):
                self.report(await_, "braces")
            if self.text(at) == "(":
                if self.is_new(at):
                    self.report(await_, "new")
                if re.fullmatch(r"[A-Z][A-Z0-9_]*[A-Z0-9]", self.text(at - 1)):
                    self.report(await_, "macro")
            at = self.inside[at]

    def check_dropped(self, await_, first, last):
        """A guard or a result that is the whole of a statement, or of an operand of its commas."""
        if self.text(await_) != "co_await" or self.inside[await_] != self.inside[first]:
            return
        before = self.text(await_ - 1)
        if await_ == first or before in ("else", "do", ":", ","):
            if any(self.text(i) == "=" for i in range(first, await_)):
                return
            if self.gives_guard(await_ + 1, last):
                self.report(await_, "dropped-guard")
            elif self.gives_result(await_ + 1, last):
                self.report(await_, "dropped-result")

    def called_last(self, begin, end):
        """The name of what the first operand in tokens begin to end calls, and the end of its arguments; None when
        that is no call."""
        while begin < end and self.text(begin) == "(" and begin in self.pair:  # in parentheses as a whole
            if self.operand_end(self.pair[begin] + 1, end) != self.pair[begin] + 1:
                break
            begin, end = begin + 1, self.pair[begin]
        last = self.operand_end(begin, end) - 1
        if self.text(last) != ")" or last not in self.pair:
            return None
        return self.pair[last] - 1, last

    def gives_guard(self, begin, end):
        """Whether that call is one of a member that gives a guard when awaited, or hands such a call on."""
        call = self.called_last(begin, end)
        if not call:
            return False
        called, last = call
        if self.text(called) in GUARDED:
            return self.text(called - 1) in (".", "->")
        return self.text(called) in HANDS_ON and self.gives_guard(called + 2, last)

    def gives_result(self, begin, end):
        call = self.called_last(begin, end)
        return bool(call) and self.text(call[0]) == "as_result" and self.text(call[0] - 1) not in (".", "->")

    def check_temporaries(self, first, last):
        """?: between objects that it makes, in an expression that awaits: g++ destroys them twice."""
        i = first
        while i < last:
            if i in self.lambdas:
                i = self.lambdas[i].end
            elif self.text(i) == "?":
                colon = self.operand_end(i + 1, last)
                if self.makes_object(i + 1, colon) or self.makes_object(colon + 1, self.operand_end(colon + 1, last)):
                    self.report(i, "conditional")
            i += 1

    def operand_end(self, i, last):
        """The `:` that belongs to the `?` before i, or what ends the operand after that `:`."""
        nested = 0
        while i < last and self.text(i) not in (",", ";", ")", "]", "}"):
            if self.text(i) == "?":
                nested += 1
            elif self.text(i) == ":":
                if nested == 0:
                    return i
                nested -= 1
            i = self.pair[i] + 1 if self.text(i) in CLOSING and i in self.pair else i + 1
        return i

    def makes_object(self, begin, end):
        """Whether an operand is as a whole a call of what is known to give an object: a class of this file, or one of
        std."""
        if end <= begin or self.text(end - 1) not in (")", "}") or end - 1 not in self.pair:
            return False
        name = begin
        if self.text(name) == "std" and self.text(name + 1) == "::":
            name += 2
            known = STD_OBJECTS
        else:
            known = self.classes
        after = name + 1
        if self.text(after) == "<":
            after = self.skip_angles(after)
        return self.text(name) in known and self.pair[end - 1] == after

    def is_new(self, parenthesis):
        i = parenthesis - 1
        while i >= 0 and (self.tokens[i].kind == "name" or self.text(i) in ("::", "<", ">", ",", "*")):
            if self.text(i) == "new":
                return True
            i -= 1
        return False

    def in_conditional(self, await_, first):
        at = await_
        while at is not None and at >= first:
            around = self.inside[at]
            begin = first if around is None or around < first else around + 1
            end = self.pair.get(around, len(self.tokens)) if around is not None else len(self.tokens)
            i = at
            while i < end and self.text(i) not in (",", ";", "="):
                if self.text(i) == "?":
                    return True
                i = self.pair[i] + 1 if self.text(i) in CLOSING and i in self.pair else i + 1
            i = at - 1
            while i >= begin and self.text(i) not in (",", ";", "="):
                if self.text(i) == "?":
                    return True
                i = self.pair[i] - 1 if self.text(i) in (")", "]", "}") and i in self.pair else i - 1
            if around is not None and self.text(around) == "{" and around in self.bodies:
                return False
            at = around
        return False

    def check_aggregates(self, first, last):
        """Designated initializers with anything but a plain number: bight's own options are numbers."""
        i = first
        while i < last:
            if i in self.lambdas:
                i = self.lambdas[i].end
            elif self.text(i) == "{" and self.text(i + 1) == "." and i in self.pair:
                values = [p[p.index("=") + 1:] if "=" in p else p
                          for p in self.split(i + 1, self.pair[i], ",")]
                if any(not self.is_plain(v) for v in values if "co_await" not in v):
                    self.report(i, "named")
            i += 1

    @staticmethod
    def is_plain(value):
        words = [w for w in value if re.match(r"\w", w)]
        if "std" in words or any(w.startswith('"') for w in value):
            return False
        return len(words) <= 1 and (not words or words[0][0].isdigit() or words[0] in ("true", "false", "nullptr"))

    def check_kept(self, found, first, awaited):
        if not (found.captures and found.coroutine) or self.text(found.end + 1) != "(" or awaited:
            return
        at = self.inside[found.begin]
        while at is not None and at >= first:
            if self.text(at) == "(" and self.text(at - 1) in WAITS:
                return
            at = self.inside[at]
        self.report(found.begin, "kept-lambda")

    def check_started(self, first, last, known):
        for i in range(first, last - 3):
            if self.text(i) in ("spawn", "start") and self.text(i + 1) == "(" and self.text(i + 2) in known and \
                    self.text(i + 3) == "(":
                self.report(i + 2, "kept-lambda")


def sources(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, folders, files in os.walk(path):
                folders[:] = sorted(f for f in folders if not f.startswith("."))
                for name in sorted(files):
                    if name.endswith(SUFFIXES):
                        yield os.path.join(folder, name)
        else:
            yield path


def source_of(path):
    with open(path, encoding="utf-8", errors="replace") as source:
        return Source(source.read())


def findings_of(path):
    return source_of(path).check()


def main(arguments):
    summary = "--summary" in arguments
    paths = [a for a in arguments if a != "--summary"]
    if not paths or any(a.startswith("-") for a in paths):
        print(__doc__)
        return 2
    files = found = 0
    for path in sources(paths):
        files += 1
        try:
            source = source_of(path)
            for line, rule in source.check():
                found += 1
                print(f"{source.place(path, line)}: {rule}: {ADVICE[rule]}")
        except OSError as error:
            print(f"{path}: {error.strerror}", file=sys.stderr)
            return 2
    if summary:  # in the form of Catch2
        print("test cases: 1 | 1 failed" if found else f"All tests passed ({files} assertions in 1 test case)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
