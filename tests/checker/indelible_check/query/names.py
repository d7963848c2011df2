"""What the names of a query mean: fields of profiles, what every record has, paths, columns (QUERY.md, "Names")."""

from dataclasses import dataclass, field

from ..profile import EACH, compile_profile, parse_path, write_path
from . import tree
from .times import duration
from .tokens import NoQuery
from .units import UNITS, ending

# The well-known names, which every log has, and their kinds where these are not text.
WELL_KNOWN = {name: "text" for name in (
    "actor actor_type agent approver artifact commit decision deployment environment kind layer model parent_run policy "
    "risk rule run status tenant trace work_item").split()} | {"control": "control", "event_id": "id", "ts": "time"}
# What the conditions of a mapping may name besides.
OF_MAPPINGS = {name: "text" for name in (
    "address api_group branch category child_run client client_version credential event_type file group impersonated "
    "invoked_by item level mfa parent_event read_only reason record_type request resource response role sandbox service "
    "shared_event stage subkind subresource tool tool_error tool_use turn uri user vpc_endpoint").split()} | {
    name: "number" for name in ("exit_code", "tokens_cached", "tokens_in", "tokens_out")}
OF_EVERY_RECORD = ("source", "encoding", "day", "label")
BUILTIN = ("seq", "received", "ts", "id", "segment", "text")


class Vocabulary:
    """The names of fields, each with the kinds that some profile reads it as."""

    def __init__(self, profiles=(), for_mapping=False):
        self.kinds = {name: {"text"} for name in OF_EVERY_RECORD}
        for known in (WELL_KNOWN, OF_MAPPINGS) if for_mapping else (WELL_KNOWN,):
            for name, kind in known.items():
                self.kinds.setdefault(name, set()).add(kind)
        for text in profiles:
            profile = compile_profile(text)
            for name in profile.by_name:
                self.kinds.setdefault(name, set()).add(profile.kind(name))

    def has_kind(self, name, kind):
        return kind in self.kinds.get(name, ())

    def of_kind(self, kind):
        return sorted((name for name, kinds in self.kinds.items() if kind in kinds), key=str.encode)


@dataclass(frozen=True)
class Source:
    """Where values come from: `what` is `builtin`, `name`, `path` or `column`."""

    what: str
    which: object

    @property
    def field(self):
        """The field that filters call so; None where they cannot."""
        if self.what == "path":
            return {"path": write_path(self.which)}
        return {"name": self.which} if self.what == "name" else None


@dataclass(frozen=True)
class Apart:
    of: Source
    less: Source


@dataclass(frozen=True)
class Span:
    of: Source
    width: int


@dataclass
class Shape:
    """What rows look like: events, to which columns may have been added, or a table of columns alone."""

    is_events: bool = True
    columns: list = field(default_factory=list)  # (name, other name, the name that says what it counts)

    def find(self, name):
        places = (place for place, known in enumerate(self.columns) if name in known[:2])
        return next(places, None)

    def counted(self, written):
        """The name that says what the values of an expression count: its own, or that of what a column is of."""
        place = None if ending(written) in UNITS else self.find(written.removeprefix("."))
        return written if place is None else self.columns[place][2] or written

    def column(self, name):
        if self.find(name) is None:
            self.columns.append((name, None, None))
        return self.find(name)


class Names:
    """Looks up what a query names."""

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary

    def source(self, field, shape):
        is_path = isinstance(field, tree.Path)
        bare = field.bare if is_path else field.name
        # A path of one key, which a leading dot makes, is never a column of events.
        is_of_event = shape.is_events and is_path and not ("." in bare or "[" in bare)
        column = None if is_of_event else shape.find(bare)
        if column is not None:
            return Source("column", column)
        if not shape.is_events:
            raise NoQuery(f"there is no column {bare} here")
        if is_path:
            return Source("path", field.steps)
        if bare in BUILTIN:
            return Source("builtin", bare)
        if bare in self.vocabulary.kinds:
            return Source("name", bare)
        try:
            return Source("path", parse_path(bare))
        except ValueError as error:
            raise NoQuery(str(error)) from None

    def expression(self, node, shape):
        # What a stage before computed is a column already.
        column = None if isinstance(node, (tree.Name, tree.Path)) else shape.find(str(node))
        if column is not None:
            return Source("column", column)
        if isinstance(node, tree.Difference):
            return Apart(self.source(node.of, shape), self.source(node.less, shape))
        if isinstance(node, tree.Bin):
            of, width = self.source(node.of, shape), duration(node.width)
            if not width:
                raise NoQuery(f"{node.width} is no width of a bin")
            return Span(of, width)
        if isinstance(node, tree.Said):
            raise NoQuery(f"there is no column {node} here")
        return self.source(node, shape)
