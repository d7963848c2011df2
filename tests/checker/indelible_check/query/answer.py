"""A query's answer over records that were checked, as lines of JSON."""

from ..filters import matches
from . import stages
from .coverage import coverage
from .rows import Row


def rows_of(plan, events):
    """The rows of a plan over these events, which stand in the order of the log."""
    first, end = plan.seqs
    if plan.wanted is None:
        rows = [Row(event) for event in events if first <= event.seq < end and matches(plan.filter, event.subject)]
    else:
        rows = coverage(plan.wanted, events)
    for step in plan.steps:
        rows = stages.run(step, rows, events)
    return rows


def answer(plan, events):
    columns = [name for name, *_ in plan.shape.columns]
    return "".join(row.as_json(columns) + "\n" for row in rows_of(plan, events)).encode()

