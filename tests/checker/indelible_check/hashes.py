"""The hashes of FORMAT.md, sections 4 and 6, each in its own domain."""

import struct
from functools import lru_cache

from . import blake3

BODY_CONTEXT = b"indelible 2026 record body".ljust(32, b"\0")


@lru_cache(None)
def _key(context):
    return blake3.derive_key(f"indelible 2026 {context}")


@lru_cache(1 << 18)
def keyed(context, data):
    return blake3.keyed(_key(context), data)


def record_salt(segment_salt, seq):
    return keyed("record salt", segment_salt + struct.pack("<Q", seq))


@lru_cache(1 << 14)
def body_hash(salt, body):
    return blake3.blake3(BODY_CONTEXT + salt + body)


def approved_matter(data):
    return keyed("approved matter", data)


def profile_digest(text):
    return keyed("profile", text.encode())


def index_rules(extractor, sources):
    """`sources`: (seq, profile digest) of each source used in the segment, ascending."""
    data = struct.pack("<I", len(extractor)) + extractor.encode() + struct.pack("<I", len(sources))
    return keyed("index rules", data + b"".join(struct.pack("<Q", seq) + digest for seq, digest in sources))


def index_field(name):
    return keyed("index field", name.encode())


def index_term(kind, term):
    data = bytes([kind]) + struct.pack("<H", len(term)) + term
    return keyed("index term", data + bytes(-len(data) % 64))


def index_seqs(offsets):
    return keyed("index seqs", struct.pack(f"<{len(offsets)}I", *offsets))


def index_leaf(leaf):
    return keyed("index leaf", leaf)


def index_node(left, right, divider):
    return keyed("index node", left + right + divider)


def index_empty():
    return keyed("index empty", b"")


def index_root(leaf_count, first_seq, record_count, rules, tree_root):
    return keyed("index root", struct.pack("<QQI", leaf_count, first_seq, record_count) + rules + tree_root)
