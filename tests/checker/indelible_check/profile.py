"""Source profiles, and what they find in an event (PROFILES.md)."""

import re
import tomllib
from dataclasses import dataclass, field as default
from functools import lru_cache

from . import controls
from .events import Number
from .hashes import profile_digest
from .values import canonical_number, epoch, is_number, rfc3339

TEXT, NUMBER, BOOLEAN, NULL = 1, 2, 3, 4
TERM_LEN_MAX, TERMS_MAX, ID_LEN_MAX = 4096, 256, 1024
STORE_PROFILE = 'name = "store"\nversion = "1"\n[[field]]\nname = "kind"\npaths = ["kind"]\n'
STEP = re.compile(r'\.?(?:"((?:[^"\\]|\\.)*)"|([^.\[\]"\s*]+))|\[([0-9]*)\]')
PLAIN = re.compile(r"[A-Za-z0-9_$@-]+")
EACH = object()


def parse_path(text):
    """The steps of a path: keys as text, elements as their place, `EACH` for every element."""
    steps, at = [], 0
    while at < len(text):
        match = STEP.match(text, at)
        if not match or text[at] == "." and not steps or steps and text[at] not in ".[":
            raise ValueError(f"not a path: {text}")
        quoted, key, place = match.groups()
        if quoted is not None:
            steps.append(re.sub(r"\\(.)", r"\1", quoted))
        elif key is not None:
            steps.append(key)
        else:
            steps.append(int(place) if place else EACH)
        at = match.end()
    if not steps:
        raise ValueError("an empty path")
    return tuple(steps)


def write_path(steps):
    """The one spelling that a filter has of a path."""
    text = ""
    for step in steps:
        if isinstance(step, str):
            quoted = step.replace("\\", "\\\\").replace('"', '\\"')
            text += "." * bool(text) + (step if PLAIN.fullmatch(step) else f'"{quoted}"')
        else:
            text += "[]" if step is EACH else f"[{step}]"
    return text


@dataclass
class Found:
    """What a profile finds in one event."""

    terms: dict = default(default_factory=dict)  # field name -> list of (type, bytes)
    unreadable: set = default(default_factory=set)  # field names
    time: int | None = None
    event_id: bytes | None = None


@dataclass(frozen=True)
class _Target:
    """Where one path of a profile leads: `group` names what the paths are spellings of."""

    group: object
    rank: int = 0
    condition: int | None = None


class Profile:
    def __init__(self, text):
        table = tomllib.loads(text)
        self.name = table["name"]
        self.digest = profile_digest(text)
        self.fields = table.get("field", [])
        self.by_name = {field["name"]: field for field in self.fields}
        self.conditions = []
        self.paths = []  # (steps, target)
        for field in self.fields:
            for rank, path in enumerate(field["paths"]):
                self._add_path(field, rank, path)

    def _add_path(self, field, rank, path):
        condition = None
        if isinstance(path, dict):
            wanted = (path["when"], tuple(path["is"]))
            if wanted not in self.conditions:
                self.conditions.append(wanted)
                target = _Target(("condition", len(self.conditions) - 1))
                self.paths.append((parse_path(path["when"]), target))
            condition = self.conditions.index(wanted)
            path = path["path"]
        if field.get("join"):
            target = _Target(("part", rank), rank, condition)
        else:
            target = _Target(("field", field["name"]), 0 if field.get("all") else rank, condition)
        self.paths.append((parse_path(path), target))

    def kind(self, name):
        return self.by_name[name].get("kind", "text")

    def extract(self, event):
        return _Extraction(self).run(event)


@lru_cache(256)
def compile_profile(text):
    return Profile(text)


class _Extraction:
    def __init__(self, profile):
        self.profile = profile
        self.found = Found()
        self.best = {}
        self.waiting = []
        self.met = set()
        self.parts = {}

    def run(self, event):
        self.walk(event, self.profile.paths)
        for target, value in self.waiting:
            if target.condition is not None and target.condition not in self.met:
                continue
            if target.group[0] == "part":
                self.parts[target.rank] = value
            else:
                self.take(target.group[1], target.rank, value)
        for field in self.profile.fields:
            if field.get("join"):
                self.join(field)
        return self.found

    def walk(self, value, paths):
        """Follows the paths into a value, in the order of the event's bytes."""
        is_container = isinstance(value, (dict, list))
        going_on = {target.group for steps, target in paths if steps}
        for steps, target in paths:
            # An object or array surprises only where no other path of the same field goes on into it.
            if not steps and not (is_container and target.group in going_on):
                self.meet(target, value)
        if isinstance(value, dict):
            for key, member in value.items():
                below = [(steps[1:], target) for steps, target in paths if steps and steps[0] == key]
                if below:
                    self.walk(member, below)
        elif isinstance(value, list):
            for place, element in enumerate(value):
                below = [(steps[1:], target) for steps, target in paths
                         if steps and (steps[0] is EACH or steps[0] == place and isinstance(steps[0], int))]
                if below:
                    self.walk(element, below)

    def meet(self, target, value):
        group = target.group[0]
        if group == "condition":
            text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else value
            is_text = isinstance(text, str) and not isinstance(text, Number)
            if is_text and text in self.profile.conditions[target.group[1]][1]:
                self.met.add(target.group[1])
        elif group == "part" or target.condition is not None:
            self.waiting.append((target, value))
        else:
            self.take(target.group[1], target.rank, value)

    def take(self, name, rank, value):
        """Gives a value to a field: the lowest rank wins, and any value before null."""
        rank = (value is None, rank)
        best = self.best.get(name)
        if best is not None and rank > best:
            return
        kind = self.profile.kind(name)
        if best is not None and rank < best:
            self.found.terms.pop(name, None)
            self.found.unreadable.discard(name)
            if kind == "time":
                self.found.time = None
            elif kind == "id":
                self.found.event_id = None
        self.best[name] = rank
        if isinstance(value, (dict, list)):
            return self.unreadable(name, kind)
        getattr(self, f"take_{kind}")(name, value)

    def unreadable(self, name, kind):
        self.found.unreadable.add(name)
        if kind == "time":
            self.found.time = None
        elif kind == "id":
            self.found.event_id = None

    def push(self, name, kind, term):
        terms = self.found.terms.setdefault(name, [])
        if (kind, term) in terms:
            return
        if len(terms) >= TERMS_MAX:
            self.found.unreadable.add(name)
        else:
            terms.append((kind, term))

    def take_text(self, name, value):
        if isinstance(value, Number):
            self.push_number(name, value)
        elif isinstance(value, str):
            self.push_text(name, value.encode())
        elif value is None:
            self.push(name, NULL, b"")
        else:
            self.push(name, BOOLEAN, b"true" if value else b"false")

    def push_text(self, name, text):
        if len(text) > TERM_LEN_MAX:
            self.found.unreadable.add(name)
        else:
            self.push(name, TEXT, text)

    def push_number(self, name, text):
        number = canonical_number(text.encode())
        if number is None:
            self.found.unreadable.add(name)
        else:
            self.push(name, NUMBER, number)

    def take_number(self, name, value):
        if value is None:
            self.push(name, NULL, b"")
        elif isinstance(value, str) and is_number(value.encode()):
            self.push_number(name, value)
        else:
            self.found.unreadable.add(name)

    def take_time(self, name, value):
        forms = self.profile.by_name[name].get("forms", ["rfc3339"])
        counts = [form for form in forms if form.startswith("epoch")]
        if value is None:
            return
        time = None
        if isinstance(value, str):
            text = value.encode()
            if counts and is_number(text):
                time = epoch(text, counts[0])
            elif "rfc3339" in forms and not isinstance(value, Number):
                time = rfc3339(text)
        if time is None:
            self.unreadable(name, "time")
        else:
            self.found.time = time

    def take_id(self, name, value):
        if value is None:
            return
        event_id = _id_bytes(value)
        if event_id is None:
            self.unreadable(name, "id")
        else:
            self.found.event_id = event_id

    def take_control(self, name, value):
        if not isinstance(value, str) or isinstance(value, Number):
            return self.take_text(name, value)
        text = controls.normalise(value, self.profile.by_name[name].get("framework"))
        if len(value.encode()) > TERM_LEN_MAX:
            self.found.unreadable.add(name)
        else:
            self.push_text(name, text.encode())

    def join(self, field):
        parts = [self.parts.get(rank) for rank in range(len(field["paths"]))]
        if any(part is None for part in parts):
            return
        texts = [_id_bytes(part) for part in parts]
        if None in texts:
            return self.unreadable(field["name"], "id")
        event_id = b"/".join(text.replace(b"~", b"~0").replace(b"/", b"~1") for text in texts)
        if len(event_id) > ID_LEN_MAX:
            return self.unreadable(field["name"], "id")
        self.found.event_id = event_id


def _id_bytes(value):
    """The bytes of an id or of a part of one; None where it can't be read."""
    if isinstance(value, Number):
        text = canonical_number(value.encode())
    else:
        text = value.encode() if isinstance(value, str) else None
    return text if text and len(text) <= ID_LEN_MAX else None
