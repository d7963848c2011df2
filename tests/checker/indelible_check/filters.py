"""Filters (FORMAT.md, section 5; QUERY.md says what a missing value means): their form, and whether a record matches."""

from decimal import Decimal

from .events import Number
from .profile import BOOLEAN, EACH, NULL, NUMBER, TEXT, parse_path, write_path
from .regex import compile_regex
from .values import canonical_number, day_of, is_number, rfc3339, show_time
from .verdict import forged

# A number that has no canonical decimal, as the event writes it. No index has it: it is met at a path alone.
LONG = 5


class Values:
    """What a record has at one place: its scalar values, whether anything is there, whether something is unreadable."""

    def __init__(self, terms=(), is_there=False, is_unreadable=False):
        self.terms = list(terms)
        self.is_there = is_there or bool(self.terms) or is_unreadable
        self.is_unreadable = is_unreadable


class Subject:
    """A record as a filter sees it."""

    def __init__(self, seq, received_at, record, profile, found, event):
        self.seq, self.received_at, self.labels = seq, received_at, record.labels
        self.source, self.encoding, self.body = record.source, record.encoding, record.body
        self.profile, self.found, self.event = profile, found, event

    @property
    def time(self):
        """The event's own time; the time of receipt where it has none that can be read."""
        return self.received_at if self.found.time is None else self.found.time

    @property
    def is_time_unreadable(self):
        times = [field["name"] for field in self.profile.fields if field.get("kind") == "time"]
        return bool(times) and times[0] in self.found.unreadable

    def values(self, place):
        if "path" in place:
            found = []
            _walk(self.event, parse_path(place["path"]), found)
            terms = [term for value in found for term in _scalar_terms(value)]
            return Values(terms, bool(found))
        name = place["name"]
        if name in ("source", "encoding"):
            return Values([(NUMBER, str(getattr(self, name)).encode())])
        if name == "label":
            return Values([(TEXT, label) for label in self.labels])
        if name == "day":
            terms = [] if self.found.time is None else [(TEXT, day_of(self.found.time))]
            return Values(terms, False, self.is_time_unreadable)
        if name not in self.profile.by_name:
            return Values()
        is_unreadable = name in self.found.unreadable
        kind = self.profile.kind(name)
        if kind == "time":
            terms = [] if self.found.time is None else [(TEXT, show_time(self.found.time).encode())]
            return Values(terms, False, is_unreadable)
        if kind == "id":
            terms = [] if self.found.event_id is None else [(TEXT, self.found.event_id)]
            return Values(terms, False, is_unreadable)
        return Values(self.found.terms.get(name, ()), False, is_unreadable)


def _walk(value, steps, found):
    """Follows a path; an array stands for its elements where the path does not say which, and at its end."""
    if isinstance(value, list) and not (steps and (steps[0] is EACH or isinstance(steps[0], int))):
        if not steps:
            found.append(value)
        for element in value:
            _walk(element, steps, found)
    elif not steps:
        found.append(value)
    elif isinstance(value, list):
        elements = value if steps[0] is EACH else value[steps[0]:steps[0] + 1]
        for element in elements:
            _walk(element, steps[1:], found)
    elif isinstance(value, dict) and steps[0] in value:
        _walk(value[steps[0]], steps[1:], found)


def _scalar_terms(value):
    if isinstance(value, Number):
        number = canonical_number(value.encode())
        return [(LONG, value.encode()) if number is None else (NUMBER, number)]
    if isinstance(value, str):
        return [(TEXT, value.encode())]
    if isinstance(value, bool):
        return [(BOOLEAN, b"true" if value else b"false")]
    return [(NULL, b"")] if value is None else []


def check_form(filter_):
    """That a filter is in the form that section 5 gives it; else a ValueError, a TypeError or a KeyError."""
    if filter_ == "store_record":
        return
    (kind, value), = filter_.items()
    if kind in ("all", "any", "not"):
        for one in [value] if kind == "not" else _list(value):
            check_form(one)
    elif kind == "field":
        place, test = value
        (what, name), = place.items()
        _one_of(what, "name", "path")
        if what == "path":
            _one_of(name, write_path(parse_path(name)))
        _text(name)
        _check_test(test)
    elif kind == "time":
        clock, window = value
        _one_of(clock, "event", "received")
        _keys(window, "from", "until")
        for bound in window.values():
            _nanoseconds(bound or 0)
    elif kind == "seqs":
        _keys(value, "end", "start")
        for bound in value.values():
            _one_of(0 <= _integer(bound) < 1 << 64, True)
    elif kind == "ids":
        for one in _list(value):
            _text(one)
    else:
        _one_of(kind, "text")
        _text(value)


def _check_test(test):
    if test in ("exists", "unreadable"):
        return
    (kind, wanted), = test.items()
    if kind in ("equals", "differs"):
        for value in [wanted] if kind == "differs" else _list(wanted):
            (what, text), = value.items()
            _one_of(what, "text", "word")
            _text(text)
    elif kind == "compare":
        order, quantity = wanted
        _one_of(order, "less", "less_or_equal", "greater", "greater_or_equal")
        (what, value), = quantity.items()
        _one_of(what, "number", "time")
        _one_of(is_number(_text(value).encode()) if what == "number" else _nanoseconds(value) is not None, True)
    else:
        _one_of(kind, "matches")
        compile_regex(_text(wanted))


def _one_of(value, *known):
    if value not in known:
        raise ValueError(f"{value} is not known")


def _keys(value, *names):
    _one_of(sorted(value), list(names))


def _integer(value):
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("not an integer")
    return value


def _nanoseconds(value):
    _one_of(-(1 << 63) <= _integer(value) < 1 << 63, True)
    return value


def _text(value):
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _list(value):
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def matches(filter_, subject):
    if filter_ == "store_record":
        return subject.source == 0
    (kind, value), = filter_.items()
    if kind == "all":
        return all(matches(one, subject) for one in value)
    if kind == "any":
        return any(matches(one, subject) for one in value)
    if kind == "not":
        return not matches(value, subject)
    if kind == "field":
        return _passes(value[1], subject.values(value[0]))
    if kind == "text":
        return _json_text(value) in subject.body
    if kind == "ids":
        return subject.found.event_id is not None and subject.found.event_id.decode() in value
    if kind == "seqs":
        return value["start"] <= subject.seq < value["end"]
    if kind == "time":
        time, window = subject.time if value[0] == "event" else subject.received_at, value[1]
        is_late = window["from"] is None or window["from"] <= time
        return is_late and (window["until"] is None or time < window["until"])
    raise forged(f"a filter {kind}")


def _json_text(text):
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
    return "".join(escapes.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in text).encode()


def _passes(test, values):
    if test == "exists":
        return values.is_there
    if test == "unreadable":
        return values.is_unreadable
    (kind, wanted), = test.items()
    if kind == "equals":
        return any(_equal(one, term) for one in wanted for term in values.terms)
    if kind == "differs":
        return bool(values.terms) and not any(_equal(wanted, term) for term in values.terms)
    if kind == "compare":
        return _compares(*wanted, values)
    if kind == "matches":
        texts = (term for term_kind, term in values.terms if term_kind in (TEXT, NUMBER, LONG))
        return any(compile_regex(wanted).is_in(text.decode()) for text in texts)
    raise forged(f"a test {kind}")


def _equal(value, term):
    kind, text = term
    if "text" in value:
        return kind == TEXT and text.decode() == value["text"]
    word = value["word"]
    if kind == TEXT:
        return glob(word, text.decode())
    if kind == NUMBER:
        return is_number(word.encode()) and canonical_number(word.encode()) == text
    if kind == LONG:
        number = canonical_number(word.encode()) if is_number(word.encode()) else None
        return number is not None and decimal_of(number.decode()) == decimal_of(text.decode())
    return word == {NULL: "null"}.get(kind, text.decode())


def glob(pattern, text):
    """Whether a text is what a glob says: only the last star is ever tried again, one character further on."""
    at = place = 0
    star = None
    while at < len(text):
        if pattern[place:place + 1] == "*":
            place += 1
            star = place, at
        elif place < len(pattern) and pattern[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star is None:
            return False
        else:
            place, at = star[0], star[1] + 1
            star = place, at
    return not pattern[place:].strip("*")


def decimal_of(text):
    """A number, exactly: comparing loses nothing, however long it is. A longer exponent counts as fifteen nines."""
    mantissa, _, exponent = text.lower().partition("e")
    sign, digits = "-" * exponent.startswith("-"), exponent.lstrip("+-0") or "0"
    return Decimal(f"{mantissa}e{sign}{digits if len(digits) <= 15 else '9' * 15}")


def _compares(order, quantity, values):
    if "number" in quantity:
        wanted = decimal_of(quantity["number"])
        found = [decimal_of(term.decode()) for kind, term in values.terms if kind in (NUMBER, LONG)]
    else:
        wanted = quantity["time"]
        times = [rfc3339(term) for kind, term in values.terms if kind == TEXT]
        found = [time for time in times if time is not None]
    tests = {"less": lambda a: a < wanted, "less_or_equal": lambda a: a <= wanted,
             "greater": lambda a: a > wanted, "greater_or_equal": lambda a: a >= wanted}
    return any(map(tests[order], found))
