"""Which of a segment's records a filter surely matches, which a bundle owes, and which may match (FORMAT-bundle.md, 7)."""

from datetime import date

from .filters import Values, _passes
from .index import ABSENT, OWN_FIELDS, PRESENT, RESERVED, UNREADABLE
from .profile import BOOLEAN, NULL, NUMBER, TEXT
from .values import NS_PER_DAY, canonical_number, is_number
from .verdict import Fault

NOTHING = frozenset()


class Segment:
    """A segment's shown index and the profiles of its sources."""

    def __init__(self, shown, profiles, seal, gone):
        self.shown = shown
        self.profiles = profiles
        self.first_seq = seal["first_seq"]
        self.everything = frozenset(range(seal["end_seq"] - seal["first_seq"])) - gone

    def sets(self, filter_):
        """The three sets: sure, owed, may."""
        if filter_ == "store_record":
            stored = self.shown.posting("source", NUMBER, b"0")
            return self.residual() if stored is None else (stored,) * 3
        (kind, value), = filter_.items()
        if kind in ("all", "any"):
            start, join = (self.everything, frozenset.intersection) if kind == "all" else (NOTHING, frozenset.union)
            parts = [self.sets(one) for one in value]
            return tuple(join(start, *(part[place] for part in parts)) for place in range(3))
        if kind == "not":
            sure, owed, may = self.sets(value)
            certain = self.everything - may
            return certain, certain | (owed - sure), self.everything - sure
        if kind == "seqs":
            first = self.first_seq
            return (frozenset(at for at in self.everything if value["start"] <= first + at < value["end"]),) * 3
        if kind == "field" and "name" in value[0]:
            return self.field(value[0]["name"], value[1])
        if kind == "time" and value[0] == "event":
            return self.window(value[1])
        if kind in ("field", "text", "ids", "time"):
            return self.residual()
        raise Fault("damaged", f"a filter {kind}")

    def residual(self, may=None):
        return NOTHING, NOTHING, self.everything if may is None else may

    def field(self, name, test):
        kinds = {profile.kind(name) for profile in self.profiles if name in profile.by_name}
        if not kinds and name not in OWN_FIELDS:
            return (NOTHING,) * 3
        if any(profile.by_name.get(name, {}).get("private") for profile in self.profiles):
            return self.residual()
        present, unreadable = (self.shown.posting(name, RESERVED, term) for term in (PRESENT, UNREADABLE))
        known = present is not None and unreadable is not None
        if test == "exists":
            return (present | unreadable,) * 3 if known else self.residual()
        if test == "unreadable":
            return self.residual() if unreadable is None else (NOTHING, unreadable, unreadable)
        if kinds & {"id", "time"}:
            return self.residual(present | unreadable if known else None)
        (kind, wanted), = test.items()
        matching = self.matching(name, {"equals": [wanted]} if kind == "differs" else test)
        if matching is None or unreadable is None:
            return self.residual()
        if kind == "differs":
            if not known:
                return self.residual()
            rest = (present | unreadable) - matching
            return rest - unreadable, rest, rest
        return matching, matching | unreadable, matching | unreadable

    def matching(self, name, test):
        """The union of the postings of the terms that pass; None where one that is needed is not known."""
        terms = _plain_terms(test)
        if terms is None:
            vocabulary = self.shown.vocabulary(name)
            if vocabulary is None:
                return None
            terms = [term for term in vocabulary if _passes(test, Values([term]))]
        postings = [self.shown.posting(name, *term) for term in terms]
        return None if None in postings else NOTHING.union(*postings)

    def window(self, window):
        start, until = window["from"], window["until"]
        vocabulary = self.shown.vocabulary("day")
        absent, unreadable = (self.shown.posting("day", RESERVED, term) for term in (ABSENT, UNREADABLE))
        if vocabulary is None or absent is None or unreadable is None:
            return self.residual()
        sure, partly = NOTHING, absent | unreadable
        for term in vocabulary:
            first = _day_start(term[1])
            end = first + NS_PER_DAY
            if (until is not None and first >= until) or (start is not None and end <= start):
                continue
            posting = self.shown.posting("day", *term)
            if posting is None:
                return self.residual()
            if (start is None or start <= first) and (until is None or end <= until):
                sure |= posting
            else:
                partly |= posting
        return sure, sure | partly, sure | partly


def _day_start(text):
    return (date.fromisoformat(text.decode()) - date(1970, 1, 1)).days * NS_PER_DAY


def _plain_terms(test):
    """The terms that pass, where they can be named without a vocabulary."""
    if "equals" not in test:
        return None
    terms = []
    for value in test["equals"]:
        if "text" in value:
            terms.append((TEXT, value["text"].encode()))
            continue
        word = value["word"]
        if "*" in word or "?" in word:
            return None
        terms.append((TEXT, word.encode()))
        if is_number(word.encode()) and canonical_number(word.encode()) is not None:
            terms.append((NUMBER, canonical_number(word.encode())))
        if word in ("true", "false"):
            terms.append((BOOLEAN, word.encode()))
        if word == "null":
            terms.append((NULL, b""))
    return terms
