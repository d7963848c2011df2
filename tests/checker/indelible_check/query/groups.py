"""Groups of rows and what is said of each (QUERY.md, "Groups")."""

from decimal import Decimal, localcontext
from itertools import product

from .rows import Row, values_of
from .worth import DECIMAL, DURATION, MISSING, TEXT, TIME, UNREADABLE, Value, count, plain

MEAN_DIGITS = 6


def group(keys, said, rows):
    """A row for each combination of the keys' values, in their order."""
    groups = {} if keys else {(): []}
    for row in rows:
        values = [[] if of is None else values_of(of, row).each for _, of in said]
        for key in product(*(values_of(key, row).keys for key in keys)):
            groups.setdefault(key, []).append(values)
    ordered = sorted(groups, key=lambda key: tuple(value.order for value in key))
    return [Row(values=[*key, *of_group(said, groups[key])]) for key in ordered]


def of_group(said, rows):
    for place, (function, _) in enumerate(said):
        values = [value for row in rows for value in row[place]]
        yield count(len(rows)) if function == "count" else SAID[function](values)


def of_kind(values, *ranks):
    return [value for value in values if value.rank in ranks]


def distinct(values):
    return count(len(set(values) - {UNREADABLE}))


def numbers(values):
    """What can be added up: numbers, and where there are none durations."""
    return of_kind(values, DECIMAL) or of_kind(values, DURATION)


def exact_sum(values):
    with localcontext(prec=100_000):
        return sum((Decimal(value.data) for value in values), Decimal(0))


def total(values):
    values = numbers(values)
    if not values:
        return MISSING
    if values[0].rank == DURATION:
        return Value(DURATION, sum(value.data for value in values))
    return Value(DECIMAL, plain(exact_sum(values)))


def mean(values):
    """Of numbers rounded half to even, six digits behind the last one of the sum; of durations cut to nanoseconds."""
    values = numbers(values)
    if not values:
        return MISSING
    if values[0].rank == DURATION:
        whole = sum(value.data for value in values)
        return Value(DURATION, abs(whole) // len(values) * (-1 if whole < 0 else 1))
    whole, _, fraction = plain(exact_sum(values).copy_abs()).partition(".")
    is_negative = exact_sum(values) < 0
    quotient, rest = divmod(int(whole + fraction) * 10 ** MEAN_DIGITS, len(values))
    quotient += 2 * rest > len(values) or 2 * rest == len(values) and quotient % 2
    with localcontext(prec=100_000):
        rounded = Decimal(-quotient if is_negative else quotient).scaleb(-len(fraction) - MEAN_DIGITS)
    return Value(DECIMAL, plain(rounded))


def least(values):
    return min(of_kind(values, DECIMAL, DURATION, TIME, TEXT), key=lambda value: value.order, default=MISSING)


def greatest(values):
    return max(of_kind(values, DECIMAL, DURATION, TIME, TEXT), key=lambda value: value.order, default=MISSING)


def percentile(percent):
    def said(values):
        values = sorted(of_kind(values, DECIMAL, DURATION, TIME), key=lambda value: value.order)
        return values[max(-(-len(values) * percent // 100), 1) - 1] if values else MISSING
    return said


SAID = {"distinct": distinct, "sum": total, "avg": mean, "min": least, "max": greatest,
        "p50": percentile(50), "p95": percentile(95), "p99": percentile(99)}
