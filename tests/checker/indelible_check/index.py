"""A segment's index, rebuilt from its records, and its root (FORMAT.md, section 6)."""

import struct

from . import hashes
from .merkle import _split
from .profile import NUMBER, TEXT
from .values import day_of

EXTRACTOR = "indelible-extract/1"
RESERVED = 0
PRESENT, ABSENT, UNREADABLE = b"present", b"absent", b"unreadable"
OWN_FIELDS = ("day", "encoding", "label", "source")


class Index:
    """What the records of one segment say: field name -> (type, term) -> offsets, ascending."""

    def __init__(self):
        self.profiles = {}  # source -> profile
        self.records = []  # (source, encoding, labels, found), or the seq of the plan by which one was deleted
        self.deleted = {}  # plan -> offsets

    def add(self, source, profile, encoding, labels, found):
        self.profiles[source] = profile
        self.records.append((source, encoding, labels, found))

    def add_deleted(self, plan):
        self.deleted.setdefault(plan, []).append(len(self.records))
        self.records.append(plan)

    def rules(self):
        sources = sorted((source, profile.digest) for source, profile in self.profiles.items())
        return hashes.index_rules(EXTRACTOR, sources)

    def field_names(self):
        declared = {field["name"] for profile in self.profiles.values() for field in profile.fields}
        return sorted(declared | set(OWN_FIELDS), key=str.encode)

    def private_names(self):
        return {field["name"] for profile in self.profiles.values() for field in profile.fields
                if field.get("private")}

    def postings(self):
        fields = {name: {} for name in self.field_names()}
        for offset, record in enumerate(self.records):
            if isinstance(record, int):
                continue
            source, encoding, labels, found = record
            for name, postings in fields.items():
                for term in self.terms_of(name, source, encoding, labels, found):
                    postings.setdefault(term, []).append(offset)
        if self.deleted:
            gone = sorted(offset for offsets in self.deleted.values() for offset in offsets)
            stayed = sorted(set(range(len(self.records))) - set(gone))
            fields["deleted"] = {(NUMBER, str(plan).encode()): offsets for plan, offsets in self.deleted.items()}
            fields["deleted"] |= {(RESERVED, term): offsets for term, offsets in ((PRESENT, gone), (ABSENT, stayed))
                                  if offsets}
        return fields

    def terms_of(self, name, source, encoding, labels, found):
        """A record's terms of a field, reserved ones among them."""
        terms, is_present, is_unreadable = self._of(name, source, encoding, labels, found)
        reserved = [(RESERVED, PRESENT)] if is_present else []
        if is_unreadable:
            reserved.append((RESERVED, UNREADABLE))
        return [*(reserved or [(RESERVED, ABSENT)]), *terms]

    def _of(self, name, source, encoding, labels, found):
        """A record's terms of a field, whether it is present, and whether it is unreadable."""
        profile = self.profiles[source]
        times = [field["name"] for field in profile.fields if field.get("kind") == "time"]
        if name == "source":
            return [(NUMBER, str(source).encode())], True, False
        if name == "encoding":
            return [(NUMBER, str(encoding).encode())], True, False
        if name == "label":
            return sorted({(TEXT, label) for label in labels}), bool(labels), False
        if name == "day":
            if found.time is not None:
                return [(TEXT, day_of(found.time))], True, False
            return [], False, bool(times) and times[0] in found.unreadable
        if name not in profile.by_name:
            return [], False, False
        is_unreadable = name in found.unreadable
        kind = profile.kind(name)
        if kind == "time":
            return [], found.time is not None, is_unreadable
        if kind == "id":
            return [], found.event_id is not None, is_unreadable
        terms = found.terms.get(name, [])
        return terms, bool(terms), is_unreadable

    def root(self, first_seq):
        private = self.private_names()
        leaves = sorted(leaf_of(name, kind, term, offsets)
                        for name, postings in self.postings().items() if name not in private
                        for (kind, term), offsets in postings.items())
        return hashes.index_root(len(leaves), first_seq, len(self.records), self.rules(), tree_root(leaves))


def leaf_of(name, kind, term, offsets):
    """The leaf of a term: its key in 64 bytes, and what the index says of it."""
    key = hashes.index_field(name) + hashes.index_term(kind, term)
    return key + struct.pack("<I", len(offsets)) + hashes.index_seqs(tuple(offsets)) + bytes(28)


def tree_root(leaves):
    if not leaves:
        return hashes.index_empty()
    if len(leaves) == 1:
        return hashes.index_leaf(leaves[0])
    middle = _split(len(leaves))
    return hashes.index_node(tree_root(leaves[:middle]), tree_root(leaves[middle:]), leaves[middle][:64])
