"""What conditions mean: a filter where an index or an event can tell, else a question to the row (QUERY.md)."""

from dataclasses import dataclass

from ..controls import normalise
from ..regex import NoExpression, compile_regex
from ..values import canonical_number, is_number
from . import times, tree
from .units import DURATION_ENDINGS, SIZE_ENDINGS, ending
from .names import Source
from .tokens import TEXT, WORD, NoQuery

NOT_STORE = {"not": "store_record"}
SEQ_END = (1 << 64) - 1


@dataclass(frozen=True)
class Asked:
    """What is asked of an expression's values: `what` is `exists`, `unreadable`, `some` or `none`; `check` of one value."""

    expression: object
    what: str
    check: tuple = ()


@dataclass(frozen=True)
class Rows:
    """Conditions of which one at least is a question to the row: `what` is `all`, `any` or `not`."""

    what: str
    parts: tuple


def both(one, other):
    """All of two filters, what is nested needlessly laid flat."""
    first = one["all"] if "all" in one else None
    more = other["all"] if "all" in other else None
    if first is not None:
        parts = first + (more if more is not None else [other])
        return parts[0] if len(parts) == 1 and more is None else {"all": parts}
    if more is not None:
        return {"all": [one, *more]} if more else one
    return {"all": [one, other]}


def is_filter(condition):
    return not isinstance(condition, (Asked, Rows))


def all_of(conditions):
    filters = [one for one in conditions if is_filter(one)]
    others = [one for one in conditions if not is_filter(one)]
    joined = {"all": []}
    for one in filters:
        joined = both(joined, one)
    if not others:
        return joined
    if not filters and len(others) == 1:
        return others[0]
    return Rows("all", (*([joined] if filters else []), *others))


def split(condition):
    """What a filter can tell of a condition, and what is left to ask of the rows, if anything."""
    if is_filter(condition):
        return condition, None
    if isinstance(condition, Rows) and condition.what == "all":
        told = {"all": []}
        for one in condition.parts:
            told = both(told, one) if is_filter(one) else told
        return told, all_of([one for one in condition.parts if not is_filter(one)])
    return {"all": []}, condition


def is_glob(text):
    return "*" in text or "?" in text


def number_of(text):
    """The canonical decimal that a text writes, or None."""
    number = canonical_number(text.encode()) if is_number(text.encode()) else None
    return None if number is None else number.decode()


def in_unit_of(name, text):
    """A duration or size as a number in the unit that a name ends with; None where it is none or does not come out."""
    last = ending(name)
    if last in DURATION_ENDINGS:
        count, unit = times.duration(text), DURATION_ENDINGS[last]
    else:
        count, unit = times.size(text), SIZE_ENDINGS.get(last)
    if count is None or unit is None or count * 10**9 % unit or count * 10**9 >= times.LIMIT:
        return None
    scaled = count * 10**9 // unit
    return number_of(f"{scaled // 10**9}.{scaled % 10**9:09}")


def in_order(clock, order, period):
    order, moment = times.bound(order, period)
    behind = min(moment + 1, (1 << 63) - 1)
    start = {"greater": behind, "greater_or_equal": moment}.get(order)
    until = {"less": moment, "less_or_equal": behind}.get(order)
    return {"time": [clock, {"from": start, "until": until}]}


class Conditions:
    """Reads the conditions of one query."""

    def __init__(self, names, now):
        self.names, self.now = names, now
        self.names_store = False  # Whether a condition names records of the store's own.

    def read(self, node, shape):
        if isinstance(node, (tree.All, tree.Any)):
            parts = [self.read(part, shape) for part in node.parts]
            if isinstance(node, tree.All):
                return all_of(parts)
            return {"any": parts} if all(map(is_filter, parts)) else Rows("any", tuple(parts))
        if isinstance(node, tree.Not):
            part = self.read(node.part, shape)
            return {"not": part} if is_filter(part) else Rows("not", (part,))
        if isinstance(node, tree.Test):
            return self.test(node, shape)
        if not shape.is_events:
            raise NoQuery("these rows are no events: they have no text and no time of their own")
        if isinstance(node, tree.When):
            return {"time": ["received" if node.received else "event", self.window(node)]}
        if not node.text.text:
            raise NoQuery("an empty text is in every event")
        return {"text": node.text.text}

    # Times.

    def when(self, operand):
        if operand.text == "now":
            return self.now, self.now
        ago = times.duration(operand.text)
        moment = None if ago is None else times.before(self.now, ago)
        return (moment, moment) if moment is not None else self.period(operand)

    @staticmethod
    def period(operand):
        found = times.period(operand.text)
        if found is None:
            raise NoQuery(f"{operand.text} is no time")
        return found

    def window(self, node):
        if node.word == "during":
            start, end = self.period(node.times[0])
            if start == end:
                raise NoQuery("a moment has no length")
            return {"from": start, "until": end}
        found = [self.when(time) for time in node.times]
        if node.word == "between" and found[0][0] >= found[1][1]:
            raise NoQuery("this ends before it begins")
        return {"from": None if node.word == "until" else found[0][0],
                "until": None if node.word == "since" else found[-1][1]}

    # Tests.

    def test(self, node, shape):
        expression = self.names.expression(node.left, shape)
        if node.what == "~":
            try:
                compile_regex(node.values[0])
            except NoExpression as error:
                raise NoQuery(str(error)) from None
        if isinstance(expression, Source):
            if expression.what == "builtin":
                return self.of_builtin(expression, node)
            if expression.field is not None:
                return self.of_field(expression.field, str(node.left), node)
        return self.of_row(expression, shape.counted(str(node.left)), node)

    def of_field(self, field, name, node):
        what = node.what
        if what in ("exists", "unreadable"):
            return {"field": [field, what]}
        if what == "~":
            return {"field": [field, {"matches": node.values[0]}]}
        if what in ("=", "in"):
            return {"field": [field, {"equals": [self.value(field, name, value) for value in node.values]}]}
        if what == "!=":
            return {"field": [field, {"differs": self.value(field, name, node.values[0])}]}
        if field == {"name": "day"}:
            return both({"field": [field, "exists"]}, in_order("event", what, self.period(node.values[0])))
        return {"field": [field, {"compare": self.quantity(name, what, node.values[0].text)}]}

    @staticmethod
    def quantity(name, order, text):
        if number_of(text) is not None:
            return [order, {"number": number_of(text)}]
        period = times.period(text)
        if period is not None:
            order, moment = times.bound(order, period)
            return [order, {"time": moment}]
        number = in_unit_of(name, text)
        if number is None:
            raise NoQuery(f"{text} cannot be compared with {name}")
        return [order, {"number": number}]

    def value(self, field, name, operand):
        value = self.plain_value(name, operand)
        named = field.get("name")
        (kind, text), = value.items()
        if named == "kind" and text.startswith("store.") or named == "source" and text == "0":
            self.names_store = True
        # What is no text is compared as what it is.
        is_id = kind == "text" or text not in ("true", "false", "null") and number_of(text) is None
        if is_id and named is not None and self.names.vocabulary.has_kind(named, "control"):
            return {kind: normalise(text)}
        return value

    @staticmethod
    def plain_value(name, operand):
        if operand.kind != WORD:
            return {"text": operand.text}
        if is_number(operand.text.encode()) and number_of(operand.text) is None:
            raise NoQuery(f"{operand.text} is longer than decimals are")
        number = in_unit_of(name, operand.text)
        return {"word": operand.text if number is None else number}

    def of_builtin(self, source, node):
        name, what, values = source.which, node.what, node.values
        is_order = what in tree.MARKS
        if name == "seq" and (is_order or what in ("=", "!=", "in")):
            return self.of_seq(what, [self.seq(value) for value in values])
        if name in ("ts", "received") and is_order:
            return in_order("event" if name == "ts" else "received", what, self.period(values[0]))
        if name == "id" and what in ("=", "in") and not any(v.kind == WORD and is_glob(v.text) for v in values):
            return {"ids": [value.text for value in values]}
        if name in ("ts", "id") and what in ("exists", "unreadable"):
            fields = self.names.vocabulary.of_kind("time" if name == "ts" else "id")
            return {"any": [{"field": [{"name": field}, what]} for field in fields]}
        if name == "text" and what != "~":
            raise NoQuery("the text of an event can only be searched")
        return self.of_row(source, name, node)

    @staticmethod
    def seq(operand):
        text = operand.text.removeprefix("+")
        if not text or not text.isascii() or not text.isdigit() or int(text) > SEQ_END:
            raise NoQuery(f"{operand.text} is no seq")
        return int(text)

    @staticmethod
    def of_seq(what, seqs):
        def between(start, end):
            return {"seqs": {"end": min(end, SEQ_END), "start": min(start, SEQ_END)}}
        seq = seqs[0]
        if what == "in":
            return {"any": [between(seq, seq + 1) for seq in seqs]}
        one = between(seq, seq + 1)
        return {"=": one, "!=": {"not": one}, "less": between(0, seq), "less_or_equal": between(0, seq + 1),
                "greater": between(seq + 1, SEQ_END), "greater_or_equal": between(seq, SEQ_END)}[what]

    def of_row(self, expression, name, node):
        what = node.what
        if what in ("exists", "unreadable"):
            return Asked(expression, what)
        if what == "~":
            return Asked(expression, "some", ("matches", node.values[0]))
        if what in ("=", "in", "!="):
            values = tuple(tuple(self.plain_value(name, value).items())[0] for value in node.values)
            return Asked(expression, "none" if what == "!=" else "some", ("one of", values))
        text = node.values[0].text
        number = number_of(text) or in_unit_of(name, text)
        if number is None and times.period(text) is None and times.duration(text) is None:
            raise NoQuery(f"{text} is nothing that can be more or less")
        return Asked(expression, "some", ("order", what, number, text))
