"""A query as it was written. Every node writes itself in the one spelling that it has."""

import json
from dataclasses import dataclass, field, replace

from ..profile import write_path
from .tokens import PARAMETER, TEXT, WORD, is_plain

RESERVED = ("and", "or", "not", "in", "since", "until", "between", "during", "received", "where")
HEADS = ("timeline", "control", "controls", "event", "seq", "around", "explain")
MARKS = {"less": "<", "less_or_equal": "<=", "greater": ">", "greater_or_equal": ">="}


def listed(nodes):
    return ", ".join(map(str, nodes))


@dataclass(frozen=True)
class Operand:
    """A value as it was written: a word, a text or the name of a parameter."""

    kind: str
    text: str

    def __str__(self):
        if self.kind == TEXT:
            return json.dumps(self.text, ensure_ascii=False)
        return f"${self.text}" if self.kind == PARAMETER else self.text


@dataclass(frozen=True)
class Name:
    name: str

    def __str__(self):
        return self.name


@dataclass(frozen=True)
class Path:
    steps: tuple

    @property
    def bare(self):
        return write_path(self.steps)

    def __str__(self):
        path = self.bare
        begins = path[0].isalnum() or path[0] in "_@"
        return path if begins and ("." in path or "[" in path) else f".{path}"


@dataclass(frozen=True)
class Difference:
    of: object
    less: object

    def __str__(self):
        return f"{self.of} - {self.less}"


@dataclass(frozen=True)
class Bin:
    of: object
    width: str

    def __str__(self):
        return f"bin({self.of}, {self.width})"


@dataclass(frozen=True)
class Said:
    """What `stats` says of a group."""

    function: str
    of: object = None

    def __str__(self):
        return f"{self.function}({'' if self.of is None else self.of})"


@dataclass(frozen=True)
class Named:
    node: object
    name: str | None = None

    def __str__(self):
        return f"{self.node} as {self.name}" if self.name is not None else str(self.node)


# Conditions.


def grouped(condition):
    return f"({condition})" if isinstance(condition, (All, Any)) else str(condition)


@dataclass(frozen=True)
class All:
    parts: tuple

    def __str__(self):
        return " and ".join(map(grouped, self.parts))


@dataclass(frozen=True)
class Any:
    parts: tuple

    def __str__(self):
        return " or ".join(map(grouped, self.parts))


@dataclass(frozen=True)
class Not:
    part: object

    def __str__(self):
        return f"not {grouped(self.part)}"


@dataclass(frozen=True)
class Search:
    """A text that is looked for in the event, and whether it was written without quotes."""

    text: Operand
    is_bare: bool = field(default=False, compare=False)

    def __str__(self):
        text = self.text.text
        plain = all((char.isalnum() or char == "_") and is_plain(char) for char in text)
        is_bare = plain and text[:1].isalpha() and text.lower() not in RESERVED and text not in HEADS
        return text if self.text.kind == TEXT and is_bare else str(self.text)


@dataclass(frozen=True)
class When:
    """That the time lies in a period; `word` is `since`, `until`, `between` or `during`."""

    received: bool
    word: str
    times: tuple

    def __str__(self):
        return "received " * self.received + f"{self.word} " + " and ".join(map(str, self.times))


@dataclass(frozen=True)
class Test:
    """`what` is `exists`, `unreadable`, `=`, `!=`, `in`, `~` or an order."""

    left: object
    what: str
    values: tuple = ()

    def __str__(self):
        if self.what in ("exists", "unreadable"):
            return f"{self.what}({self.left})"
        if self.what == "in":
            return f"{self.left} in ({listed(self.values)})"
        if self.what == "~":
            return f"{self.left} ~ {expression_in_quotes(self.values[0])}"
        return f"{self.left} {MARKS.get(self.what, self.what)} {self.values[0]}"


def expression_in_quotes(text):
    """Backslashes are the expression's own, but before a quote."""
    written, chars = "", iter(text)
    for char in chars:
        written += '\\"' if char == '"' else char + next(chars, "") if char == "\\" else char
    return f'"{written}"'


# Heads, stages and the whole.


@dataclass(frozen=True)
class Head:
    """`word` is empty where a query begins with conditions; `parts` are what stands behind it."""

    word: str = ""
    parts: tuple = ()

    def __str__(self):
        if self.word == "timeline":
            return f"timeline {self.parts[0]} {self.parts[1]}"
        if self.word == "controls":
            return "controls" + "".join(f" framework {name}" for name in self.parts)
        if self.word == "around":
            return f"around {self.parts[0]} \u00b1{self.parts[1]}"
        if self.word == "seq":
            first, last = ("" if end is None else str(end) for end in self.parts)
            return f"seq {first}" if first and first == last else f"seq {first}..{last}"
        return f"{self.word} {listed(self.parts)}"


@dataclass(frozen=True)
class Stage:
    """`word` says which; `parts` are its columns, keys, numbers or condition, `by` what it groups by."""

    word: str
    parts: tuple = ()
    by: tuple = ()

    def __str__(self):
        by = f" by {listed(self.by)}" if self.by else ""
        if self.word == "sample":
            return "sample {} seed {}".format(*self.parts)
        if self.word == "sort":
            return "sort " + ", ".join(f"{key}{' desc' if descends else ''}" for key, descends in self.parts)
        return f"{self.word} {listed(self.parts)}{by}" if self.parts else self.word + by


@dataclass(frozen=True)
class Beside:
    unless: bool
    side: str
    condition: object
    within: tuple  # fields, and durations as texts
    strictly: bool

    word = "beside"

    def __str__(self):
        within = " within " + " and ".join(map(str, self.within)) if self.within else ""
        unless, strictly = "unless " * self.unless, " strictly" * self.strictly
        return f"{unless}{self.side} by ({self.condition}){within}{strictly}"


@dataclass(frozen=True)
class Query:
    explain: bool = False
    head: Head = field(default_factory=Head)
    conditions: tuple = ()
    stages: tuple = ()
    # The bare words that stand right behind the head.
    behind: tuple = field(default=(), compare=False)

    def __str__(self):
        parts = ["explain"] if self.explain else []
        parts += [str(self.head)] if self.head.word else []
        times = 0
        while times < len(self.conditions) and isinstance(self.conditions[times], When):
            times += 1
        parts += map(str, self.conditions[:times])
        others = self.conditions[times:]
        if others:
            joined = str(others[0]) if len(others) == 1 and not parts else " and ".join(map(grouped, others))
            parts.append(f"where {joined}" if self.head.word else joined)
        text = " ".join(parts)
        for stage in self.stages:
            text += f" | {stage}" if parts or stage is not self.stages[0] else f"| {stage}"
        return text


def changed(query, change):
    """The query with every operand replaced; `change` is told whether it is a time."""
    def condition(node):
        if isinstance(node, (All, Any)):
            return replace(node, parts=tuple(map(condition, node.parts)))
        if isinstance(node, Not):
            return replace(node, part=condition(node.part))
        if isinstance(node, Search):
            return replace(node, text=change(node.text, False))
        if isinstance(node, When):
            return replace(node, times=tuple(change(time, True) for time in node.times))
        if node.what == "~":
            return node
        return replace(node, values=tuple(change(value, False) for value in node.values))

    def stage(node):
        if node.word == "where":
            return replace(node, parts=tuple(map(condition, node.parts)))
        return replace(node, condition=condition(node.condition)) if node.word == "beside" else node

    parts = (change(part, False) if isinstance(part, Operand) else part for part in query.head.parts)
    return replace(query, head=replace(query.head, parts=tuple(parts)),
                   conditions=tuple(map(condition, query.conditions)), stages=tuple(map(stage, query.stages)))


def parameters_of(query):
    names = set()

    def note(operand, _is_time):
        if operand.kind == PARAMETER:
            names.add(operand.text)
        return operand
    changed(query, note)
    return names


def fields_of(stage):
    """The fields that a stage asks of its rows, in their order."""
    def of(node):
        if isinstance(node, (Name, Path)):
            yield node
        elif isinstance(node, Difference):
            yield from (node.of, node.less)
        elif isinstance(node, (Bin, Said)) and node.of is not None:
            yield from of(node.of)
        elif isinstance(node, Named):
            yield from of(node.node)
        elif isinstance(node, (All, Any)):
            for part in node.parts:
                yield from of(part)
        elif isinstance(node, Not):
            yield from of(node.part)
        elif isinstance(node, Test):
            yield from of(node.left)

    if stage.word == "beside":
        return
    for node in (*stage.parts, *stage.by):
        yield from of(node[0] if stage.word == "sort" else node)
