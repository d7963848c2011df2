"""Packs of controls and the mapping, as their files say them (CONTROLS.md)."""

import tomllib
from dataclasses import dataclass

from ..controls import normalise
from . import tree
from .names import Vocabulary
from .tokens import NoQuery

PACK = {"framework", "title", "edition", "version", "control"}
MAPPING = {"name", "version", "rule"}
RULE = {"name", "when", "controls", "strength", "reason"}


def read(text, needed, optional, what):
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NoQuery(f"a {what} that is no TOML: {error}") from None
    demand(needed <= set(table) <= needed | optional, f"the keys of a {what}")
    return table


def demand(condition, what):
    if not condition:
        raise NoQuery(what)


def canonical(framework, number):
    return normalise(f"{framework}:{number}")


def key(number):
    """An id as its runs of letters and of digits: what separates them is spelt in many ways."""
    words, last = [], None
    for char in number.upper():
        kind = (char in "0123456789") if char.isalnum() else None
        if kind is not None:
            if words and kind == last:
                words[-1] += char
            else:
                words.append(char)
        last = kind
    return tuple(words)


def is_number(words):
    return bool(words) and words[0][0] in "0123456789"


@dataclass(frozen=True)
class Control:
    id: str
    title: str
    parent: str | None

    @property
    def framework(self):
        return self.id.partition(":")[0]


class Pack:
    def __init__(self, text):
        table = read(text, PACK, {"notice", "prefixes"}, "pack")
        self.name = table["framework"]
        demand(canonical(self.name, "1").partition(":")[0] == self.name, "a framework in another spelling")
        self.prefixes = [word.upper() for word in table.get("prefixes", [])]
        self.controls, self.keys = [], {}
        for entry in table["control"]:
            demand({"id", "title"} <= set(entry) <= {"id", "title", "parent"}, "the keys of a control")
            words = key(entry["id"])
            demand(":" not in entry["id"] and words and words not in self.keys, "a control's id")
            self.keys[words] = entry["id"]
        known = {canonical(self.name, entry["id"]) for entry in table["control"]}
        for entry in table["control"]:
            parent = entry.get("parent", self.beginning(key(entry["id"])))
            parent = None if parent is None else canonical(self.name, parent)
            demand(parent is None or parent in known, "a control's parent that is not there")
            self.controls.append(Control(canonical(self.name, entry["id"]), entry["title"], parent))
        parents = {control.id: control.parent for control in self.controls}
        rooted = {None}
        for id_ in parents:
            way = []
            while id_ not in rooted:
                demand(id_ not in way, "a control that is a part of itself")
                way.append(id_)
                id_ = parents[id_]
            rooted.update(way)

    def beginning(self, words):
        """The id that is the longest beginning of another one."""
        return next((self.keys[words[:length]] for length in range(len(words) - 1, 0, -1)
                     if words[:length] in self.keys), None)

    def find(self, number, is_named):
        """The id of the control that this names, its framework left out."""
        words = key(number)
        count = len(words)
        while words and words[0] in self.prefixes:
            words = words[1:]
        # A number before ids that begin with letters is the edition.
        if not any(map(is_number, self.keys)) and (is_named or len(words) < count):
            while is_number(words):
                words = words[1:]
        return canonical(self.name, self.keys[words]) if words in self.keys else None


class Catalogue:
    def __init__(self, texts):
        self.packs = []
        for text in texts:
            pack = Pack(text)
            places = [place for place, known in enumerate(self.packs) if known.name == pack.name]
            if places:
                self.packs[places[0]] = pack
            else:
                self.packs.append(pack)
        self.controls = [control for pack in self.packs for control in pack.controls]
        self.ids = {control.id for control in self.controls}
        self.parts = {}
        for control in self.controls:
            self.parts.setdefault(control.parent, []).append(control.id)

    def find(self, text):
        """The id of the control that a text names, in whatever spelling; None where it names none, or several."""
        id_ = normalise(text)
        if id_ in self.ids:
            return id_
        name, colon, number = id_.partition(":")
        if colon:
            return next((pack.find(number, True) for pack in self.packs if pack.name == name), None)
        found = [one for one in (pack.find(text, False) for pack in self.packs) if one is not None]
        return found[0] if len(found) == 1 else None

    def family(self, text):
        """The control that a text names and all that are a part of it, parents before their parts."""
        found = self.find(text)
        family = [] if found is None else [found]
        for id_ in family:
            family += self.parts.get(id_, [])
        return family


class Controls:
    """A catalogue, and what a mapping takes for evidence of its controls."""

    def __init__(self, packs, mapping, profiles):
        from .grammar import parse
        from .plan import Plan

        self.catalogue = Catalogue(packs)
        self.rules = []  # (name, filter, ids)
        vocabulary = Vocabulary(profiles, for_mapping=True)
        table = read(mapping, MAPPING, {"description"}, "mapping")
        for rule in table["rule"]:
            demand(set(rule) == RULE and rule["strength"] in ("direct", "supporting"), "the keys of a rule")
            query = parse(rule["when"])
            demand(not (query.explain or query.head.word or query.stages) and query.conditions, "a rule's conditions")
            demand(not tree.parameters_of(query), "a parameter in a rule")
            early, late = (Plan(query, vocabulary, self, now, wants_all=True) for now in (0, 1))
            demand(not early.steps and early.filter == late.filter, "a rule that an event alone cannot tell")
            ids = [self.catalogue.find(id_) for id_ in rule["controls"]]
            demand(ids and None not in ids and rule["reason"].strip(), "a rule's controls or its reason")
            self.rules.append((rule["name"], early.filter, ids))

    def family(self, text):
        return self.catalogue.family(text)

    def rules_of(self, id_):
        """By which rules events are evidence of a control or of a part of it: (name, filter)."""
        family = self.family(id_)
        return [(name, filter_) for name, filter_, ids in self.rules if any(one in family for one in ids)]


class NoControls:
    """No catalogue and no mapping."""

    catalogue = Catalogue([])

    def family(self, _text):
        return []

    def rules_of(self, _id):
        return []
