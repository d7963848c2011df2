"""`controls`: for each control how much evidence there is, and from when to when (QUERY.md, "Heads")."""

from ..filters import matches
from ..profile import TEXT as TEXT_TERM
from .names import Source
from .rows import Row, values_of
from .worth import MISSING, NULL, TIME, UNREADABLE, Value, count, text


def coverage(wanted, events):
    """A row for each control that is asked for; behind them one for each other id that events or labels have."""
    of_control = [[] for _ in wanted.controls]
    of_others = {}
    for event in (event for event in events if matches(wanted.within, event.subject)):
        ids = ids_of(event)
        places = {place for id_ in ids for place in wanted.ids.get(id_, ())}
        for filter_, mapped in wanted.mapped:
            if matches(filter_, event.subject):
                places.update(mapped)
        for place in places:
            of_control[place].append(event)
        for id_ in ids:
            if wanted.is_counted(id_) and id_ not in wanted.ids:
                of_others.setdefault(id_, []).append(event)
    rows = [row(control.id, text(control.title), found) for control, found in zip(wanted.controls, of_control)]
    return rows + [row(id_, MISSING, of_others[id_]) for id_ in sorted(of_others)]


def ids_of(event):
    labels = [label.decode() for label in event.record.labels]
    own = event.found.terms.get("control", ()) if "control" in event.profile.by_name else ()
    return {*labels, *(term.decode() for kind, term in own if kind == TEXT_TERM)}


def row(id_, title, events):
    counts = [count(len(events))] + [count(len(values(name, events))) for name in ("run", "agent")]
    times = [event.time for event in events]
    ends = [Value(TIME, min(times)), Value(TIME, max(times))] if times else [MISSING, MISSING]
    return Row(values=[text(id_), title, *counts, *ends])


def values(name, events):
    found = {value for event in events for value in values_of(Source("name", name), Row(event)).each}
    return found - {NULL, UNREADABLE}
