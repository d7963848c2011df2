"""Values of rows: their types, their order, and how they are written (QUERY.md, "Values")."""

import json
from decimal import Decimal
from typing import NamedTuple

from ..values import canonical_number, rfc3339, show_time
from . import times


class Value(NamedTuple):
    """`rank` is the type; types stand in this order."""

    rank: int
    data: object = None

    @property
    def order(self):
        if self.rank == DECIMAL:
            return self.rank, Decimal(self.data)
        if self.rank == LIST:
            return self.rank, tuple(one.order for one in self.data)
        return self.rank, 0 if self.data is None else self.data

    @property
    def each(self):
        return self.data if self.rank == LIST else (self,)

    @property
    def is_container(self):
        return self.rank == JSON and self.data[0] in "{["

    @property
    def is_long_number(self):
        """Whether it is a number of the event that is too long for a decimal, as it is written there."""
        return self.rank == JSON and not self.is_container

    @property
    def is_none(self):
        return self.rank in (MISSING.rank, UNREADABLE.rank)

    def as_json(self):
        if self.rank == BOOL:
            return "true" if self.data else "false"
        if self.rank == DURATION:
            return times.in_seconds(self.data)
        if self.rank == TIME:
            return f'"{show_time(self.data)}"'
        if self.rank == TEXT:
            return in_json(self.data)
        if self.rank == LIST:
            return "[" + ",".join(one.as_json() for one in self.data) + "]"
        return self.data if self.rank in (DECIMAL, JSON) else "null"

    def as_time(self):
        """The time that it is, or writes by RFC 3339."""
        if self.rank == TEXT:
            return rfc3339(self.data.encode())
        return self.data if self.rank == TIME else None


BOOL, DECIMAL, DURATION, TIME, TEXT, JSON, LIST = range(1, 8)
NULL, UNREADABLE, MISSING = Value(0), Value(8), Value(9)


def in_json(text):
    return json.dumps(text, ensure_ascii=False)


def count(number):
    return Value(DECIMAL, str(number))


def text(data):
    return Value(TEXT, data)


def plain(number):
    """A decimal without exponent, zeros that say nothing, or the sign of zero."""
    written = format(number, "f")
    written = written.rstrip("0").rstrip(".") if "." in written else written
    return "0" if not number else written


def of_all(values):
    """One value for all of these: none is missing, one is itself."""
    return MISSING if not values else values[0] if len(values) == 1 else Value(LIST, tuple(values))


def of_number(written):
    """What a number of an event is: as it is written, where it is too long for a decimal."""
    number = canonical_number(written.encode())
    return Value(JSON, str(written)) if number is None else Value(DECIMAL, number.decode())
