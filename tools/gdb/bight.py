"""Shows the tasks of a program that uses bight: in a live process, or in a core file.

    (gdb) bight tasks       the tree of tasks of every reactor: what each waits for, and at which lines
    (gdb) bight awaiters    who awaits the coroutine of the selected frame, up to the root of its tree

gdb loads this file by itself with an installed libbight.so; otherwise: source PATH/bight.py. It reads memory and calls
nothing, so it does no harm to a live process. It needs the debug information of libbight (-g), and Python 3.
"""
import gdb
import re
import sys

DEEPEST = 200  # a program may recurse without end
MOST_FRAMES = 64


class Unknown(Exception):
    """What cannot be shown, and what to do about it."""


# Names

LAMBDA = None


def skip_brackets(text, at):
    """The place behind the bracket that closes the one at `at`."""
    depth = 0
    while at < len(text):
        operator = re.compile(r"operator(?!\w)[-<>=]*(\(\))?").match(text, at)
        if operator:
            at = operator.end()
            continue
        depth += (text[at] in "(<{[") - (text[at] in ")>}]")
        at += 1
        if depth == 0:
            break
    return at


def readable(function):
    """As readable_name in lib/core/function_name.cpp: "app::session::read", "a lambda in main"."""
    parts, part, at = [], "", 0
    while at < len(function):
        rest = function[at:]
        if rest.startswith("::"):
            parts += [part] if part else []
            part, at = "", at + 2
        elif rest.startswith(("{anonymous}", "(anonymous namespace)")):
            at = skip_brackets(function, at)
        elif rest.startswith(("(anonymous class)", "(lambda at ", "<lambda(")):
            at, part = skip_brackets(function, at), ""
            parts.append(LAMBDA)
        elif not part and re.match(r"operator(?!\w)", rest):
            part = re.match(r"operator(\(\)|[^(]*)", rest).group()
            at += len(part)
        elif rest[0] == "(":
            at = skip_brackets(function, at)
            at += len(re.match(r"((?: const)?(?: ?&&?)?(?: noexcept)?)(?=::)|", function[at:]).group())
            if at < len(function) and not function.startswith("::", at):
                break
        elif rest[0] == "<":
            at = skip_brackets(function, at)
        elif rest[0] == " ":
            parts, part, at = [], "", at + 1
        else:
            part, at = part + rest[0], at + 1
    parts += [part] if part else []
    if len(parts) > 1 and parts[-2] is LAMBDA and parts[-1] == "operator()":
        parts.pop()
    named = [p for i, p in enumerate(parts) if p and not (p == "operator()" and i and parts[i - 1] is LAMBDA)]
    name = "::".join(named)
    if parts and parts[-1] is LAMBDA:
        return "a lambda in " + name if name else "a lambda"
    return name or function


def is_of_bight(name):
    return name.removeprefix("a lambda in ").startswith("bight::")


# Values

def lookup(name):
    try:
        return gdb.lookup_type(name)
    except gdb.error:
        raise Unknown("gdb knows no " + name + ": there is no debug information of libbight (compile it with -g; "
                      "-g1 is not enough), or this program does not use it") from None


def base(value, name):
    """The part of an object that is its base class `name`, at any depth; None when it has none."""
    type_ = value.type.strip_typedefs()
    if type_.name == name:
        return value
    if type_.code != gdb.TYPE_CODE_STRUCT:
        return None
    for field in type_.fields():
        if field.is_base_class:
            found = base(value[field], name)
            if found is not None:
                return found
    return None


def derives(type_, name):
    type_ = type_.strip_typedefs()
    if type_.name == name:
        return True
    return type_.code == gdb.TYPE_CODE_STRUCT and any(
        f.is_base_class and derives(f.type, name) for f in type_.fields())


# gdb finds no type with a lambda's type in its name. These have a base class with all that is needed.
OF_LAMBDAS = {
    "group_awaiter": "bight::group",
    "group_call": "bight::detail::group_job",
    "offload_awaiter": "bight::detail::offload_waiter",
}


def object_at(pointer):
    """What a pointer refers to. (gdb's own way warns about each class of a lambda that it looks at.)"""
    type_ = pointer.type.strip_typedefs().target().strip_typedefs()
    return gdb.Value(gdb.selected_inferior().read_memory(int(pointer), type_.sizeof).tobytes(), type_)


def whole(pointer):
    """The object that a pointer to its base class refers to, with its real type, or the next best."""
    table = gdb.selected_inferior().read_memory(int(pointer), gdb.lookup_type("long").sizeof).tobytes()
    table = gdb.execute("info symbol %d" % int.from_bytes(table, sys.byteorder), to_string=True)
    name = re.match(r"vtable for (?:\w+::|\(anonymous namespace\)::)*(\w+)<.*\{lambda", table)
    if not name:
        return object_at(pointer.cast(pointer.dynamic_type))
    base_name = OF_LAMBDAS.get(name.group(1))
    if name.group(1) == "finally_awaiter":
        base_name = "bight::detail::finally_scope<%s>" % re.search(r"finally_awaiter<(.*), [^,]*\{lambda", table).group(1)
    if base_name is None:
        return object_at(pointer)
    return object_at(gdb.Value(int(pointer)).cast(lookup(base_name).pointer()))  # at the same address


def class_name(value):
    return re.sub(r"<.*", "", value.type.strip_typedefs().name or "").rpartition("::")[2]


def text_of(string):
    """A std::string, without pretty-printers."""
    length = int(string["_M_string_length"])
    return string["_M_dataplus"]["_M_p"].string("utf-8", "replace", length=length) if length else ""


def vector_items(vector):
    start, end = vector["_M_impl"]["_M_start"], vector["_M_impl"]["_M_finish"]
    for i in range(int(end - start)):
        yield (start + i).dereference()


def tuple_items(value):
    """The elements of a std::tuple: each is in a base class of its own."""
    for field in value.type.strip_typedefs().fields():
        if field.is_base_class:
            yield from tuple_items(value[field])
        elif field.name and field.name.startswith("_M_head_impl"):
            yield value[field]


def list_items(list_):
    """The entries of an intrusive_list of jobs."""
    at = list_["first_"]
    while int(at) != 0:
        entry = object_at(at)
        yield entry
        hook = next(b for b in hooks(entry))
        at = hook["next_"]


def hooks(value):
    for field in value.type.strip_typedefs().fields():
        if not field.is_base_class:
            continue
        if (field.type.strip_typedefs().name or "").startswith("bight::detail::list_hook<"):
            yield value[field]
        else:
            yield from hooks(value[field])


def nanoseconds(value):
    """Of a time_point or a duration."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        value = value[value.type.strip_typedefs().fields()[0]]
    return int(value)


def in_words(seconds):
    if seconds < 60:
        return "%d.%d s" % (int(seconds), int(seconds * 10) % 10)
    seconds = int(seconds)
    if seconds < 3600:
        return "%d min %02d s" % (seconds // 60, seconds % 60)
    return "%d h %02d min" % (seconds // 3600, seconds // 60 % 60)


# Tasks

WAITS = {
    "sleep_awaiter": "a timer",
    "yield_awaiter": "its turn",
    "timeout_awaiter": "a task with a time-out",
    "optional_timeout_awaiter": "a task with a time-out",
    "shield_awaiter": "a shielded task",
    "finally_awaiter": "the body or the clean-up of finally",
    "finally_scope": "the body or the clean-up of finally",
    "binding_awaiter": "a task with a value of its own",
    "tick_awaiter": "a tick",
    "serving": "a server",
    "offload_awaiter": "a job on a thread",
    "offload_waiter": "a job on a thread",
}


def jobs_in(value, depth=0):
    """The jobs that are members of a scope."""
    if depth > 8:
        return
    for field in value.type.strip_typedefs().fields():
        if not hasattr(field, "bitpos"):  # static
            continue
        type_ = field.type.strip_typedefs()
        name = type_.name or ""
        if type_.code != gdb.TYPE_CODE_STRUCT:
            continue
        if field.is_base_class:
            if name not in ("bight::detail::waiter", "bight::detail::timer"):
                yield from jobs_in(value[field], depth + 1)
        elif derives(type_, "bight::detail::job"):
            yield value[field]
        elif name.startswith("bight::detail::spawned_jobs<"):
            yield from list_items(value[field]["list_"])
        elif name.startswith("std::tuple<"):
            yield from (v for v in tuple_items(value[field]) if derives(v.type, "bight::detail::job"))
        elif name.startswith("std::vector<") and derives(type_.template_argument(0), "bight::detail::job"):
            yield from vector_items(value[field])
        elif name.startswith("bight::"):
            yield from jobs_in(value[field], depth + 1)


def described_wait(waiter, reactor, jobs):
    name = class_name(waiter)
    text = WAITS.get(name)
    if base(waiter, "bight::group") is not None:
        text = "a group of %d tasks" % sum(1 for j in jobs if class_name(j) != "child_job")
    elif base(waiter, "bight::detail::gathering_scope") is not None:
        text = "%d tasks" % len(jobs)
    elif base(waiter, "bight::detail::transport_request") is not None:
        text = "a read from " if base(waiter, "bight::read_request") is not None else (
            "a write to " if base(waiter, "bight::write_request") is not None else "the end of ")
        text += described_transport(base(waiter, "bight::detail::transport_request"))
    if text is None:
        words = re.sub(r"_(awaiter|waiter|scope|request)$", "", name).replace("_", " ")
        text = words + " (" + waiter.type.strip_typedefs().name.partition("<")[0] + ")"
    timer = base(waiter, "bight::detail::timer")
    if timer is not None and bool(timer["armed_"]):
        lazy = base(waiter, "bight::detail::lazy_timer")
        due = nanoseconds(timer["deadline_"] if lazy is None else lazy["due_"])
        left = (due - nanoseconds(reactor["turn_time_"])) / 1e9
        text += " (which is never due)" if due == 2**63 - 1 else (
            " (%s left)" % in_words(left) if left > 0 else " (due)")
    return text


def described_transport(request):
    for field in request.type.strip_typedefs().fields():
        type_ = field.type.strip_typedefs()
        if type_.code == gdb.TYPE_CODE_PTR and (type_.target().strip_typedefs().name or "") == "bight::transport":
            pointer = request[field]
            if int(pointer) == 0:
                return "a closed connection"
            transport = whole(pointer)
            descriptor = base(transport, "bight::detail::descriptor")
            return "fd %d" % int(descriptor["fd"]) if descriptor is not None else "a " + class_name(transport)
    return "a connection"


def described_job(job):
    name = {"connection_job": "connection", "child_job": "task", "started_job": "a task given to start()",
            "root_job": "the task given to run()", "shard_job": "the task of a reactor of a runtime",
            "group_plain": "a task of a group", "group_call": "a task of a group",
            "group_job": "a task of a group"}.get(class_name(job), class_name(job))
    if name == "connection":
        name += " %d" % int(job["number_"])
    notes = base(job, "bight::detail::job")["notes_"]
    if int(notes) != 0:
        given = text_of(notes["name"])
        name += ' "%s"' % given if given else ""
    return name


def line_of(location):
    """(function, "file:line") of a std::source_location; None when it has none."""
    impl = location["_M_impl"]
    if int(impl) == 0:
        return None
    return (readable(impl["_M_function_name"].string()),
            "%s:%d" % (impl["_M_file_name"].string(), int(impl["_M_line"])))


def print_lines(locations, indent):
    """The program's lines, and below them those of bight."""
    lines = [line for line in map(line_of, locations) if line]
    for of_bight, word in ((False, "in"), (True, "through")):
        for function, place in lines:
            if is_of_bight(function) == of_bight:
                gdb.write("%s%s %s at %s\n" % (indent, word, function, place))


def chain(promise):
    """The promises from this one outwards, within its task."""
    while int(promise) != 0:
        yield promise.dereference()
        promise = promise["parent_"]


def print_frames(job, indent):
    promises = list(chain(job["innermost_"]))
    shown = promises
    if len(promises) > MOST_FRAMES:
        shown = promises[:MOST_FRAMES // 2] + promises[-MOST_FRAMES // 2:]
    print_lines([p["where_"] for p in shown], indent)
    if len(shown) < len(promises):
        gdb.write("%s… %d more between them\n" % (indent, len(promises) - len(shown)))


def print_job(whole_job, reactor, depth):
    job = base(whole_job, "bight::detail::job")
    indent = "  " * depth
    ticks = (int(reactor["tick_"]) - int(job["since_"])) & 0xffffffff
    children, runs = [], False
    if int(job["waiter_"]) != 0:
        waiter = whole(job["waiter_"])
        children = list(jobs_in(waiter))
        state = "waits for " + described_wait(waiter, reactor, children)
        state += " (cancelled)" if bool(job["cancel_requested_"]) else ""
        state += ", %s so far" % in_words(ticks / 64)
    else:
        stage = str(job["stage_"]).rpartition("::")[2]
        running = reactor["running_job_"]
        runs = stage == "running" and int(running) != 0 and (
            int(object_at(running)["innermost_"]) == int(job["innermost_"]))
        state = "running" if runs else {"idle": "not begun", "ended": "ended"}.get(stage, "ready")
    gdb.write("%s%s: %s\n" % (indent, described_job(whole_job), state))
    if runs:  # its list of frames is not up to date
        print_lines([reactor["resumed_at_"]["_M_i"]], indent + "  ")
    else:
        print_frames(job, indent + "  ")
    return children


def print_tree(root, reactor):
    below = [(root, 0)]
    while below:
        job, depth = below.pop()
        if depth > DEEPEST:
            gdb.write("… and more, nested more than %d deep\n" % DEEPEST)
            continue
        below += [(child, depth + 1) for child in reversed(print_job(job, reactor, depth))]


def reactors():
    """The state of each reactor of the process."""
    lookup("bight::detail::reactor_state")
    lookup("bight::detail::job")
    watches = lookup("bight::detail::fork_watches").pointer()
    try:  # its type is that of a function's variable, which not every compiler describes
        place = gdb.parse_and_eval("&'bight::detail::fork_watches::all()::the_only'")
        all_ = place.cast(watches.pointer()).dereference()
        nobody = int(all_) == 0
    except gdb.error:
        raise Unknown("this is no running process and no core file, or libbight is not loaded yet") from None
    if nobody:
        return
    for watch in list_items(all_.dereference()["list"]):
        of = watch["of_"]
        pointer = of.referenced_value().address if of.type.code == gdb.TYPE_CODE_REF else of.address
        if (pointer.dynamic_type.target().name or "") == "bight::detail::reactor_state":
            yield whole(pointer)


def title(state):
    name = text_of(state["name"])
    port = state["self"]["port_"]
    kind = class_name(whole(port)) if int(port) != 0 else "not made yet"
    return "%s (%s)" % (name, kind) if name else kind


class Bight(gdb.Command):
    """Shows the tasks of a program that uses bight: `bight tasks`, `bight awaiters`."""

    def __init__(self):
        super().__init__("bight", gdb.COMMAND_STACK, prefix=True)


class Tasks(gdb.Command):
    """The tree of tasks of every reactor. Times are those of the reactor's last turn."""

    def __init__(self):
        super().__init__("bight tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        try:
            any_ = False
            for state in reactors():
                any_ = True
                gdb.write("tasks on %s:\n" % title(state))
                roots = list(vector_items(state["roots"]))
                for root in roots:
                    print_tree(whole(root), state["self"])
                if not roots:
                    gdb.write("no tasks\n")
            if not any_:
                gdb.write("this process has no reactor\n")
        except Unknown as e:
            raise gdb.GdbError(str(e))


class Awaiters(gdb.Command):
    """Who awaits the coroutine of the selected frame: its own task's coroutines, then those of the tasks around it."""

    def __init__(self):
        super().__init__("bight awaiters", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        try:
            promise = self.promise()
            while promise is not None:
                gdb.write("%s\n" % self.describe(promise))
                print_lines([p["where_"] for p in list(chain(promise["parent_"]))[:MOST_FRAMES]], "  awaited ")
                above = promise["job_"]["parent_"]
                promise = None if int(above) == 0 or int(above["innermost_"]) == 0 else above["innermost_"].dereference()
        except Unknown as e:
            raise gdb.GdbError(str(e))

    @staticmethod
    def describe(promise):
        line = line_of(promise["where_"])
        job = described_job(whole(promise["job_"]))
        return "%s, which stands in %s at %s" % ((job,) + line) if line else job

    @staticmethod
    def promise():
        frame = gdb.selected_frame()
        for name in ("_Coro_promise", "__promise", "__coro_promise"):
            try:
                found = frame.read_var(name)
            except ValueError:
                continue
            if found.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_PTR):
                found = found.referenced_value()
            found = base(found, "bight::detail::promise_base")
            if found is not None:
                return found
        raise Unknown("the selected frame is no coroutine of bight: choose one with `frame N`, as backtrace numbers "
                      "them")


Bight()
Tasks()
Awaiters()
