"""What a query does: which records it begins with, what it does with them, and which filters it puts to the log."""

from dataclasses import dataclass

from ..controls import normalise
from ..profile import parse_path
from ..values import show_time
from . import tree
from .conditions import NOT_STORE, SEQ_END, Conditions, both, is_filter, is_glob, split, all_of
from .evidence import Evidence, Wanted
from .names import Names, Shape
from .times import before, duration
from .tokens import PARAMETER, TEXT, WORD, NoQuery

EVERYWHERE = 0, SEQ_END
COVERAGE = ("control", "title", "events", "runs", "agents", "first", "last")


def settled(query, now, parameters):
    """The query as it means the same at any time: parameters are their values, what counts back is a moment."""
    def change(operand, is_time):
        if operand.kind == PARAMETER:
            operand = tree.Operand(TEXT, parameters[operand.text])
        if not is_time:
            return operand
        ago = duration(operand.text)
        moment = now if operand.text == "now" else None if ago is None else before(now, ago)
        return tree.Operand(WORD, operand.text if moment is None else show_time(moment))
    return tree.changed(query, change)


def bound(query, parameters):
    """The query with the values of its parameters, which are texts."""
    def change(operand, _is_time):
        return tree.Operand(TEXT, parameters[operand.text]) if operand.kind == PARAMETER else operand
    return tree.changed(query, change)


@dataclass
class Step:
    """`what` is a stage's word, `via` or `by time`; `parts` are what it takes, all names looked up."""

    what: str
    parts: tuple = ()
    by: tuple = ()


@dataclass(frozen=True)
class Other:
    """`preceded by` and its like."""

    unless: bool
    side: str
    filter: object
    rest: object
    keys: tuple
    within: int | None
    strictly: bool
    columns: tuple | None  # of the other's seq, its time and the time between
    fetched: tuple  # (expression, column)
    emptied: tuple  # the columns of another stage's other event
    disputed: int


class Plan:
    def __init__(self, query, vocabulary, controls, now, wants_all=False):
        self.names = Names(vocabulary)
        self.conditions = Conditions(self.names, now)
        self.controls, self.wants_all = controls, wants_all
        self.shape, self.steps, self.seqs, self.wanted = Shape(), [], EVERYWHERE, None
        self.begin(query)
        for place, stage in enumerate(query.stages):
            step = self.stage(stage, query.stages[place + 1:])
            is_first = all(known.what in ("via", "by time") for known in self.steps)
            if step.what == "where" and is_filter(step.parts[0]) and is_first and self.wanted is None:
                self.filter = both(self.filter, step.parts[0])
            else:
                self.steps.append(step)
        if self.wanted is None and self.seqs == EVERYWHERE and not self.conditions.names_store:
            self.filter = self.without_store(self.filter)

    def filters(self):
        """All that the query puts to the log, each once."""
        first = self.filter
        if self.seqs != EVERYWHERE:
            first = both({"seqs": {"end": self.seqs[1], "start": self.seqs[0]}}, first)
        found = [first]
        for step in self.steps:
            if step.what == "beside" and step.parts[0].filter not in found:
                found.append(step.parts[0].filter)
        return found

    def without_store(self, filter_):
        return filter_ if self.wants_all else both(filter_, NOT_STORE)

    # Heads.

    def begin(self, query):
        head = query.head
        if head.word == "control":
            self.shape.column("via")
            self.shape.column("mapped_by")
            self.refuse_words(head.parts, query.behind)
        read = [self.conditions.read(one, self.shape) for one in query.conditions]
        self.filter, rest = split(all_of(read))
        ordered = []
        if head.word == "timeline":
            name, value = head.parts
            if name not in self.names.vocabulary.kinds:
                raise NoQuery(f"there is no field {name}")
            value = self.conditions.value({"name": name}, name, value)
            self.filter = both({"field": [{"name": name}, {"equals": [value]}]}, self.filter)
            ordered = [Step("by time")]
        elif head.word == "control":
            evidence = Evidence.of(head.parts, self.controls)
            self.filter = both(evidence.filter(), self.filter)
            self.steps.append(Step("via", (evidence,)))
        elif head.word == "controls":
            if head.parts:
                self.refuse_name(head.parts[0], query.behind)
            self.begin_coverage(head, rest)
            rest = None
        elif head.word == "event":
            self.filter = both({"ids": [part.text for part in head.parts]}, self.filter)
        elif head.word == "seq":
            first, last = head.parts
            self.seqs = first or 0, SEQ_END - 1 if last is None else min(last + 1, SEQ_END)
        elif head.word == "around":
            seq, count = head.parts
            self.seqs = max(seq - count, 0), min(seq + count + 1, SEQ_END - 1)
        if rest is not None:
            self.steps.append(Step("where", (rest,)))
        self.steps += ordered

    def begin_coverage(self, head, rest):
        if rest is not None:
            raise NoQuery("controls are counted by what a filter can tell")
        name = head.parts[0].text if head.parts else None
        self.wanted = Wanted(name, self.controls, both(self.filter, NOT_STORE))
        self.filter = self.wanted.filter()
        self.shape = Shape(False, [(column, None, None) for column in COVERAGE])

    def refuse_words(self, ids, behind):
        """An id in several words without quotes is refused: it would be another control, and words to search for."""
        last = ids[-1]
        if last.kind != WORD or is_glob(last.text):
            return
        text = last.text
        for word in behind[:4]:
            text += f" {word}"
            family = self.controls.family(text)
            if family and family[:1] != self.controls.family(last.text)[:1]:
                raise NoQuery("a control's id in several words stands in quotes")

    def refuse_name(self, name, behind):
        """The same of a framework's name."""
        text = name.text
        for word in behind[:4] if name.kind == WORD else ():
            text += f" {word}"
            known, colon, number = normalise(text).rpartition(":")
            if colon and not number and any(one.framework == known for one in self.controls.catalogue.controls):
                raise NoQuery("a framework's name in several words stands in quotes")

    # Stages.

    def stage(self, stage, later):
        shape, word = self.shape, stage.word
        if word == "where":
            return Step(word, (self.conditions.read(stage.parts[0], shape),))
        if word == "beside":
            return Step(word, (self.beside(stage, later),))
        if word == "sort":
            return Step(word, tuple((self.names.expression(key, shape), falls) for key, falls in stage.parts))
        by = tuple(self.names.expression(key.node if isinstance(key, tree.Named) else key, shape) for key in stage.by)
        if word in ("fields", "distinct"):
            parts = tuple(self.names.expression(part.node, shape) for part in stage.parts)
            self.table([self.column(part) for part in stage.parts])
            return Step(word, parts)
        if word in ("count", "stats"):
            said = stage.parts or (tree.Named(tree.Said("count")),)
            parts = tuple((part.node.function, part.node.of and self.names.expression(part.node.of, shape))
                          for part in said)
            self.table([self.column(key) for key in stage.by] + [self.said_column(part, said) for part in said])
            return Step("group", parts, by)
        return Step(word, stage.parts, by)

    def table(self, columns):
        if len({name for name, *_ in columns}) < len(columns):
            raise NoQuery("two columns of one name")
        self.shape = Shape(False, columns)

    def column(self, named):
        is_field = isinstance(named.node, (tree.Name, tree.Path))
        written = str(named.node)
        own, alias = (written.lstrip("."), None) if is_field else (written, written)
        return (own if named.name is None else named.name), alias, self.shape.counted(written)

    def said_column(self, named, said):
        """A column of `stats` is called by its function where no other without a name has the same."""
        whole = str(named.node)
        # How many there are is counted in no unit.
        is_count = named.node.function in ("count", "distinct")
        of = None if is_count else self.shape.counted(str(named.node.of))
        if named.name is not None:
            return named.name, whole, of
        same = [one for one in said if one.name is None and one.node.function == named.node.function]
        return (named.node.function if len(same) == 1 else whole), whole, of

    def beside(self, stage, later):
        if not self.shape.is_events:
            raise NoQuery("these rows are no events, so nothing stands before or after them")
        others = Shape()
        # Whether the rows or those beside them are the store's own is asked of each alone.
        rows_name_store, self.conditions.names_store = self.conditions.names_store, False
        filter_, rest = split(self.conditions.read(stage.condition, others))
        if not self.conditions.names_store:
            filter_ = self.without_store(filter_)
        self.conditions.names_store = rows_name_store
        keys, within = [], None
        for near in stage.within:
            if isinstance(near, str):
                longest = duration(near)
                if longest is None:
                    raise NoQuery(f"{near} is no duration")
                within = longest if within is None else min(within, longest)
            else:
                keys.append(self.names.source(near, others))
        columns, fetched, emptied = None, [], ()
        if not stage.unless:
            columns = tuple(self.shape.column(f"other.{name}") for name in ("seq", "ts", "delay"))
            for name in asked_of_other(later):
                if name not in ("seq", "ts", "delay"):
                    is_path = "." in name or "[" in name
                    field = tree.Path(parse_path(name)) if is_path else tree.Name(name)
                    fetched.append((self.names.source(field, others), self.shape.column(f"other.{name}")))
            of_this = {*columns, *(column for _, column in fetched)}
            emptied = tuple(at for at, (name, *_) in enumerate(self.shape.columns)
                            if name.startswith("other.") and at not in of_this)
        return Other(stage.unless, stage.side, filter_, rest, tuple(keys), within, stage.strictly, columns,
                     tuple(fetched), emptied, self.shape.column("disputed"))


def asked_of_other(later):
    """The fields of the other event that later stages ask for, up to the next stage that has others."""
    names = []
    for stage in later:
        for field in tree.fields_of(stage):
            bare = field.bare if isinstance(field, tree.Path) else ""
            if bare.startswith("other.") and bare.removeprefix("other.") not in names:
                names.append(bare.removeprefix("other."))
        if stage.word == "beside":
            break
    return names
