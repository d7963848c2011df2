"""Events: strict JSON, kept as the event writes it, so that a number loses nothing.

An object is a dict, an array a list, a text a str, a number a `Number` of its own spelling, and the rest what Python
makes of it.
"""

import json

from .verdict import forged

DEPTH_MAX = 128


class Number(str):
    """A number as it is written."""


def _object(pairs):
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key is there twice")
    return members


def _constant(name):
    raise ValueError(f"{name} is not JSON")


def _check(value, depth):
    if depth > DEPTH_MAX:
        raise ValueError("nested too deep")
    if isinstance(value, dict):
        for key, member in value.items():
            key.encode()
            _check(member, depth + isinstance(member, (dict, list)))
    elif isinstance(value, list):
        for element in value:
            _check(element, depth + isinstance(element, (dict, list)))
    elif isinstance(value, str):
        value.encode()  # Half a surrogate pair has no UTF-8.


def parse_json(data):
    """The value of these bytes; a ValueError where they are not strict JSON."""
    text = data.decode("utf-8", "strict")
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_int=Number, parse_float=Number,
                           parse_constant=_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None
    _check(value, 1)
    return value


def parse_event(body):
    """The object that an event's body is; the log takes no other, so that one in it was not put there by the store."""
    try:
        event = parse_json(body)
        if not isinstance(event, dict):
            raise ValueError("not an object")
    except ValueError as error:
        raise forged(f"an event that the store refuses: {error}") from None
    return event
