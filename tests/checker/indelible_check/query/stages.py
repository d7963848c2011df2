"""What each stage does with rows (QUERY.md, "Stages")."""

from functools import cmp_to_key

from ..filters import matches
from .beside import beside
from .groups import group
from .rows import Row, holds, values_of
from .worth import of_all, text

WORD = (1 << 64) - 1


def run(step, rows, events):
    """The rows behind a step; `events` are all that there are, for those that look at others."""
    parts = step.parts
    if step.what == "where":
        return [row for row in rows if holds(parts[0], row)]
    if step.what == "by time":
        return sorted(rows, key=lambda row: row.event.place)
    if step.what == "via":
        return [via(parts[0], row) for row in rows]
    if step.what == "fields":
        return [Row(values=shown(parts, row)) for row in rows]
    if step.what == "distinct":
        return [Row(values=values) for values in dict.fromkeys(tuple(shown(parts, row)) for row in rows)]
    if step.what == "sort":
        return sort(parts, rows)
    if step.what == "limit":
        return rows[:parts[0]]
    if step.what == "tail":
        return rows[max(len(rows) - parts[0], 0):]
    if step.what == "sample":
        return sample(*parts, rows)
    if step.what == "first":
        return first(step.by, rows)
    if step.what == "last":
        return first(step.by, rows[::-1])[::-1]
    return group(step.by, parts, rows) if step.what == "group" else beside(parts[0], rows, events)


def shown(expressions, row):
    return [values_of(expression, row).shown for expression in expressions]


def via(evidence, row):
    """By what an event is evidence of a control, and by which rules of the mapping."""
    subject = row.event.subject
    ways = [name for name, filter_ in (("label", evidence.label), ("event", evidence.event)) if matches(filter_, subject)]
    rules = list(dict.fromkeys(name for name, filter_ in evidence.mapped if matches(filter_, subject)))
    for place, found in enumerate((ways + ["mapping"] * bool(rules), rules)):
        row.set(place, of_all([text(name) for name in found]))
    return row


def sort(keys, rows):
    """What is missing or unreadable comes last, whichever way is sorted; equal rows as they came."""
    def compare(one, other):
        for (_, falls), a, b in zip(keys, one[0], other[0]):
            if a.is_none == b.is_none:
                falls = falls and not a.is_none
                order = (a.order > b.order) - (a.order < b.order)
            else:
                falls, order = False, 1 if a.is_none else -1
            if order:
                return -order if falls else order
        return 0
    keyed = [(shown([key for key, _ in keys], row), row) for row in rows]
    return [row for _, row in sorted(keyed, key=cmp_to_key(compare))]


def first(keys, rows):
    """The first row of each combination of values."""
    found = {}
    for row in rows:
        found.setdefault(tuple(shown(keys, row)), row)
    return list(found.values())


def sample(size, seed, rows):
    """Those with the smallest numbers: two rounds of SplitMix64 over the seed and the seq."""
    def number(place):
        row = rows[place]
        return mix(mix(seed) ^ (place if row.event is None else row.event.seq)), place
    return [rows[place] for place in sorted(sorted(range(len(rows)), key=number)[:size])]


def mix(word):
    word = word + 0x9E3779B97F4A7C15 & WORD
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & WORD
    word = (word ^ word >> 27) * 0x94D049BB133111EB & WORD
    return word ^ word >> 31
