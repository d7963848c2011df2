"""`preceded by` and `followed by` (QUERY.md, "What should have been there")."""

from itertools import product

from ..filters import matches
from .rows import Row, holds, values_of
from .worth import BOOL, DURATION, MISSING, NULL, TIME, Value, count


def beside(plan, rows, events):
    others = [event for event in events if matches(plan.filter, event.subject)]
    others = [event for event in others if plan.rest is None or holds(plan.rest, Row(event))]
    groups = {}
    for other in others:
        for key in shared(plan.keys, Row(other)):
            groups.setdefault(key, {})[other.seq] = other
    kept = []
    for row in rows:
        near = {}
        for key in shared(plan.keys, row):
            near |= groups.get(key, {})
        if decide(plan, row, near.values()):
            kept.append(row)
    return kept


def shared(keys, row):
    """What a row can share with another: a value of each key. Nothing and null are shared with nobody."""
    values = ([one for one in values_of(key, row).keys if not one.is_none and one != NULL] for key in keys)
    return list(product(*values))


def decide(plan, row, others):
    """Whether a row stays; where it does, what was found is noted on it."""
    event = row.event
    sign = 1 if plan.side == "preceded" else -1

    def mirrored(one):
        return sign * one.time, sign * one.seq
    others = [other for other in others if plan.within is None or abs(other.time - event.time) <= plan.within]
    by_time = [other for other in others if mirrored(other) < mirrored(event)]
    sure = [other for other in by_time
            if sign * other.seq < sign * event.seq and other.has_own_time and event.has_own_time]
    by_log = any(sign * other.seq < sign * event.seq and mirrored(other) >= mirrored(event) for other in others)
    found = sure or ([] if plan.strictly else by_time)
    if bool(found) == plan.unless:
        return False
    is_disputed = not sure and (bool(by_time) or by_log)
    was_disputed = row.column(plan.disputed) == Value(BOOL, True)
    row.set(plan.disputed, Value(BOOL, is_disputed or was_disputed))
    if plan.columns is not None:
        other = max(found, key=mirrored)
        apart = abs(event.time - other.time)
        for column, value in zip(plan.columns, (count(other.seq), Value(TIME, other.time), Value(DURATION, apart))):
            row.set(column, value)
        for column in plan.emptied:
            row.set(column, MISSING)
        for expression, column in plan.fetched:
            row.set(column, values_of(expression, Row(other)).shown)
    return True
