"""Rows, what their expressions are worth, and which conditions hold of them (QUERY.md, "Values")."""

from decimal import Decimal, localcontext

from ..events import Number, parse_event
from ..filters import Subject, decimal_of, glob, matches
from ..located import follow, locate
from ..profile import BOOLEAN, NUMBER
from ..profile import TEXT as TEXT_TERM
from ..regex import compile_regex
from ..values import day_of, show_time
from . import times
from .conditions import Asked, is_filter, is_glob, number_of
from .names import Apart, Source, Span
from .worth import (BOOL, DECIMAL, DURATION, JSON, MISSING, NULL, TEXT, TIME, UNREADABLE, Value, count, of_all,
                    of_number, plain, text)

TESTS = {"less": lambda a, b: a < b, "less_or_equal": lambda a, b: a <= b,
         "greater": lambda a, b: a > b, "greater_or_equal": lambda a, b: a >= b}


class Event:
    """A record of the log, as queries see it."""

    def __init__(self, seq, received_at, record, profile, segment):
        self.seq, self.received_at, self.record, self.segment = seq, received_at, record, segment
        event = parse_event(record.body)
        self.found = profile.extract(event)
        self.profile = profile
        self.subject = Subject(seq, received_at, record, profile, self.found, event)
        self.located = None

    @property
    def time(self):
        return self.subject.time

    @property
    def place(self):
        """Its place in the order of time, ties by seq."""
        return self.time, self.seq

    @property
    def has_own_time(self):
        return self.found.time is not None

    def at(self, steps):
        if self.located is None:
            self.located = locate(self.record.body.decode())
        return list(follow(self.located, steps))


class Row:
    def __init__(self, event=None, values=()):
        self.event, self.values = event, list(values)

    def set(self, column, value):
        self.values += [MISSING] * (column + 1 - len(self.values))
        self.values[column] = value

    def column(self, place):
        return self.values[place] if place < len(self.values) else MISSING

    def as_json(self, columns):
        """What is missing has no member; an event to which nothing was added is as it was appended."""
        event = self.event and one_line(self.event.record.body.decode())
        if event is not None and not columns:
            return event
        members = [] if event is None else [("event", event)]
        values = zip(columns, self.values)
        members += [(name, one_line(value.as_json())) for name, value in values if value != MISSING]
        return "{" + ",".join(f"{text(name).as_json()}:{value}" for name, value in members) + "}"


def one_line(json):
    """Between its tokens a line end is as good as a space, and inside of them there is none."""
    return json.replace("\n", " ").replace("\r", " ")


class Values:
    """What is at a field: its values, whether one could not be read, and how it is shown where that is another matter."""

    def __init__(self, values=(), is_unreadable=False, whole=None):
        self.values, self.is_unreadable, self.whole = list(values), is_unreadable, whole

    @property
    def shown(self):
        if self.whole is not None:
            return self.whole
        return UNREADABLE if not self.values and self.is_unreadable else of_all(self.values)

    @property
    def each(self):
        return self.values + [UNREADABLE] * self.is_unreadable

    @property
    def keys(self):
        """Each value once, for groups; that there is none is one of them."""
        return sorted(set(self.each), key=lambda value: value.order) or [MISSING]


def values_of(expression, row):
    if isinstance(expression, Source):
        return of_source(expression, row)
    if isinstance(expression, Apart):
        apart = difference(of_source(expression.of, row).shown, of_source(expression.less, row).shown)
        if apart == MISSING:
            return Values()
        return Values(is_unreadable=True) if apart == UNREADABLE else Values([apart])
    assert isinstance(expression, Span)
    found = of_source(expression.of, row)
    starts = [value.as_time() for value in found.values]
    return Values([UNREADABLE if start is None else Value(TIME, times.bin_start(start, expression.width))
                   for start in starts], found.is_unreadable)


def difference(of, less):
    if of in (MISSING, NULL) or less in (MISSING, NULL):
        return MISSING
    if of.rank == less.rank == DECIMAL:
        with localcontext(prec=4000):
            return Value(DECIMAL, plain(Decimal(of.data) - Decimal(less.data)))
    if of.rank == less.rank == DURATION:
        return Value(DURATION, of.data - less.data)
    later, earlier = of.as_time(), less.as_time()
    return UNREADABLE if later is None or earlier is None else Value(DURATION, later - earlier)


def of_source(source, row):
    if source.what == "column":
        value = row.column(source.which)
        if value == MISSING:
            return Values()
        return Values(is_unreadable=True) if value == UNREADABLE else of_column(value)
    if row.event is None:
        return Values()
    if source.what == "builtin":
        return of_builtin(source.which, row.event)
    return of_path(source.which, row.event) if source.what == "path" else of_name(source.which, row.event)


def of_column(value):
    """An object or array in a column is what it would be at a path."""
    values, has_container = [], False
    for one in value.each:
        if one.is_container:
            found = follow(locate(f'{{"_":{one.data}}}'), ("_",))
            values += [scalar(part.value) for part, _ in found if not part.is_container]
            has_container = True
        else:
            values.append(one)
    return Values(values, whole=value if has_container else None)


def of_builtin(name, event):
    if name == "id":
        id_ = event.found.event_id
        return Values([] if id_ is None else [text(id_.decode())])
    return Values([{"seq": lambda: count(event.seq), "received": lambda: Value(TIME, event.received_at),
                    "ts": lambda: Value(TIME, event.time), "segment": lambda: count(event.segment),
                    "text": lambda: text(event.record.body.decode())}[name]()])


def of_name(name, event):
    found, profile = event.found, event.profile
    if name in ("source", "encoding"):
        return Values([count(getattr(event.record, name))])
    if name == "label":
        return Values([text(label.decode()) for label in event.record.labels])
    if name == "day":
        days = [] if found.time is None else [text(day_of(found.time).decode())]
        return Values(days, not days and event.subject.is_time_unreadable)
    if name not in profile.by_name:
        return Values()
    kind, is_unreadable = profile.kind(name), name in found.unreadable
    if kind == "time":
        return Values([] if found.time is None else [Value(TIME, found.time)], found.time is None and is_unreadable)
    if kind == "id":
        ids = [] if found.event_id is None else [text(found.event_id.decode())]
        return Values(ids, not ids and is_unreadable)
    return Values(map(of_term, found.terms.get(name, ())), is_unreadable)


def of_term(term):
    kind, data = term
    if kind == TEXT_TERM:
        return text(data.decode())
    if kind == NUMBER:
        return Value(DECIMAL, data.decode())
    return Value(BOOL, data == b"true") if kind == BOOLEAN else NULL


def of_path(steps, event):
    """An array at the end of a path is its elements, and is shown as it is written; an object is no value."""
    found = event.at(steps)
    values = [scalar(one.value) for one, _ in found if not one.is_container]
    shown = [Value(JSON, one.text) if one.is_container else scalar(one.value)
             for one, is_element in found if not is_element]
    has_container = any(one.is_container for one, is_element in found if not is_element)
    return Values(values, whole=of_all(shown) if has_container else None)


def scalar(value):
    if isinstance(value, Number):
        return of_number(value)
    if isinstance(value, str):
        return text(value)
    return NULL if value is None else Value(BOOL, value)


# Conditions.


def holds(condition, row):
    if is_filter(condition):
        return row.event is None or matches(condition, row.event.subject)
    if not isinstance(condition, Asked):
        if condition.what == "not":
            return not holds(condition.parts[0], row)
        return (all if condition.what == "all" else any)(holds(part, row) for part in condition.parts)
    found = values_of(condition.expression, row)
    if condition.what == "exists":
        return bool(found.each) or found.shown != MISSING
    if condition.what == "unreadable":
        return UNREADABLE in found.each
    values = [value for value in found.values if value != UNREADABLE]
    is_found = any(passes(condition.check, value) for value in values)
    return is_found if condition.what == "some" else bool(values) and not is_found


def passes(check, value):
    what, *wanted = check
    if what == "order":
        return in_order(*wanted, value)
    if what == "one of":
        return any(is_one(kind, word, value) for kind, word in wanted[0])
    written = as_text(value)
    return written is not None and compile_regex(wanted[0]).is_in(written)


def as_text(value):
    if value.rank == TIME:
        return show_time(value.data)
    return value.data if value.rank in (TEXT, DECIMAL) or value.is_long_number else None


def is_one(kind, word, value):
    """Whether a value is what a word or a text says."""
    if value.rank == TIME and kind == "word":
        period = times.period(word)
        if period is not None and (value.data == period[0] or period[0] <= value.data < period[1]):
            return True
    if value.rank == DURATION:
        return kind == "word" and times.duration(word) == value.data
    if value.rank in (TEXT, TIME):
        written = as_text(value)
        return glob(word, written) if kind == "word" and is_glob(word) else word == written
    if kind != "word" or is_glob(word):
        return False
    if value.rank == DECIMAL:
        return number_of(word) == value.data
    if value.rank == BOOL:
        return word == ("true" if value.data else "false")
    return value == NULL and word == "null"


def in_order(order, number, wanted, value):
    if value.rank == DECIMAL or value.is_long_number:
        return number is not None and TESTS[order](decimal_of(value.data), decimal_of(number))
    if value.rank == DURATION:
        duration = times.duration(wanted)
        return duration is not None and TESTS[order](value.data, duration)
    time, period = value.as_time(), times.period(wanted)
    if time is None or period is None:
        return False
    order, moment = times.bound(order, period)
    return TESTS[order](time, moment)
