"""What stands at a path of an event, as the event writes it (QUERY.md, "Values")."""

import re
from json.decoder import scanstring

from .events import Number
from .profile import EACH

SPACE = re.compile(r"[ \t\n\r]*")
SCALAR = re.compile(r"true|false|null|-?[0-9.eE+-]+")
WORDS = {"true": True, "false": False, "null": None}


class Located:
    """A value and the text that it is. Of an object `value` has its members, of an array its elements."""

    __slots__ = ("value", "text", "is_container")

    def __init__(self, value, text, is_container=False):
        self.value, self.text, self.is_container = value, text, is_container


def locate(text):
    """The values of a text that was found to be strict JSON."""
    return _value(text, _skip(text, 0))[0]


def _skip(text, at):
    return SPACE.match(text, at).end()


def _value(text, start):
    char = text[start]
    if char == '"':
        value, end = scanstring(text, start + 1)
        return Located(value, text[start:end]), end
    if char not in "{[":
        word = SCALAR.match(text, start).group()
        value = WORDS[word] if word in WORDS else Number(word)
        return Located(value, word), start + len(word)
    found = {} if char == "{" else []
    at = _skip(text, start + 1)
    while text[at] not in "}]":
        if char == "{":
            key, at = scanstring(text, at + 1)
            value, at = _value(text, _skip(text, _skip(text, at) + 1))
            found[key] = value
        else:
            value, at = _value(text, at)
            found.append(value)
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return Located(found, text[start:at + 1], is_container=True), at + 1


def follow(located, steps):
    """What stands at a path, each with whether it is an element of an array at its end; in the order of the bytes."""
    value = located.value
    if isinstance(value, list) and located.is_container and not (steps and (steps[0] is EACH or isinstance(steps[0], int))):
        if not steps:
            yield located, False
        for element in value:
            for found, is_element in follow(element, steps):
                yield found, is_element or not steps
    elif not steps:
        yield located, False
    elif isinstance(value, list) and located.is_container:
        for element in value if steps[0] is EACH else value[steps[0]:steps[0] + 1]:
            yield from follow(element, steps[1:])
    elif isinstance(value, dict) and steps[0] in value:
        yield from follow(value[steps[0]], steps[1:])
