"""A bundle's archive and the layout of its members (FORMAT-bundle.md, sections 1 to 5). What is accepted has no second
spelling."""

import json
import struct
import zlib
from dataclasses import dataclass

from . import hashes
from .beside import check_challenge
from .filters import check_form
from .index import leaf_of
from .layout import Record, decode_labels
from .merkle import leaf_hash
from .own import canonical
from .verdict import damaged, need

EVIDENCE = ["checkpoint", "extends", "scope.json", "records.bin", "index.bin", "proof.bin"]
FOR_PEOPLE = ["README.txt", "report.html"]
QUESTION = ["query.json", "answer.jsonl"]
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
DATE = 0x21
SIZE_MAX = 1 << 48


def pack(members):
    """The one archive of these members."""
    files, directory = b"", b""
    for name, data in members:
        common = struct.pack("<HHHHHIIIHH", 10, 0, 0, 0, DATE, zlib.crc32(data), len(data), len(data), len(name), 0)
        directory += CENTRAL + struct.pack("<H", 10) + common + struct.pack("<HHHII", 0, 0, 0, 0, len(files))
        directory += name.encode()
        files += LOCAL + common + name.encode() + data
    count = len(members)
    return files + directory + END + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), len(files), 0)


def unpack(archive):
    """The members, by name. Nothing is inflated, and no name is a path."""
    members, at = [], 0
    while archive[at:at + 4] == LOCAL and len(archive) >= at + 30:
        length, _, name_length = struct.unpack_from("<IIH", archive, at + 18)
        start = at + 30 + name_length
        name = archive[at + 30:start].decode("ascii", "replace")
        members.append((name, archive[start:start + length]))
        at = start + length
    need([name for name, _ in members] in (EVIDENCE, FOR_PEOPLE + QUESTION + EVIDENCE), "damaged", "the archive's members")
    need(pack(members) == archive, "damaged", "the archive is not the one of its members")
    return dict(members)


class Cursor:
    """Bytes that are read from their beginning to their end."""

    def __init__(self, data, name):
        self.data, self.name, self.at = data, name, 0

    def take(self, length):
        need(len(self.data) - self.at >= length, "damaged", f"{self.name} is cut off")
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def text(self, size):
        try:
            return self.take(self.number(size)).decode()
        except UnicodeDecodeError:
            raise damaged(f"{self.name}: a text is not UTF-8") from None

    @property
    def is_at_end(self):
        return self.at == len(self.data)


def read_scope(data):
    try:
        scope = json.loads(data)
    except ValueError:
        raise damaged("scope.json is not JSON") from None
    keys = {"candidates", "end_seq", "filters", "first_seq", "format"}
    need(isinstance(scope, dict) and canonical(scope) == data, "damaged", "scope.json is not canonical")
    need(set(scope) - {"challenge"} == keys, "damaged", "the keys of scope.json")
    need(scope["format"] == 1, "unsupported", f"bundle format {scope['format']}")
    sound = scope["candidates"] in ("all", "matches") and isinstance(scope["filters"], list)
    need(sound and 1 <= len(scope["filters"]) <= 64, "damaged", "the values of scope.json")
    if "challenge" in scope:
        check_challenge(scope["challenge"])
    seqs = scope["first_seq"], scope["end_seq"]
    need(all(type(seq) is int for seq in seqs) and 0 <= seqs[0] <= seqs[1], "damaged", "the seqs of scope.json")
    try:
        for filter_ in scope["filters"]:
            check_form(filter_)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(f"a filter of scope.json: {error}") from None
    return scope


@dataclass
class Shown:
    """A record of the bundle."""

    seq: int
    received_at: int
    record: Record
    leaf: bytes


def read_number(cursor):
    """LEB128 of 64 bits at most, in no more bytes than it takes."""
    value = shift = 0
    while True:
        byte = cursor.number(1)
        value |= (byte & 127) << shift
        shift += 7
        need(value < 1 << 64 and shift <= 70, "damaged", "a number that is too long")
        if byte < 128:
            need(byte or shift == 7, "damaged", "a number in more bytes than it takes")
            return value


def read_heads(cursor):
    """What records have in common: source, encoding, labels."""
    heads, order = [], []
    for _ in range(cursor.number(4)):
        source, encoding, label_count = cursor.number(8), cursor.number(1), cursor.number(1)
        start = cursor.at
        labels, cursor.at = decode_labels(cursor.data, cursor.at, label_count)
        heads.append((source, encoding, labels))
        order.append((source, encoding, cursor.data[start:cursor.at]))
        need(order[-2:-1] < order[-1:], "damaged", "the order of the heads in records.bin")
    return heads


def read_records(data):
    """The records by seq, and the leaves that they make known."""
    cursor = Cursor(data, "records.bin")
    heads = read_heads(cursor)
    records, leaves, used = {}, {}, set()
    seq, clock, leaf = -1, 0, bytes(32)
    while not cursor.is_at_end:
        gap, place, step, length = (read_number(cursor) for _ in range(4))
        seq += gap + 1
        need(seq < SIZE_MAX, "damaged", "the seq of a record in records.bin")
        need(place < len(heads), "damaged", "the head of a record in records.bin")
        clock = wrapped(clock + (-(step + 1 >> 1) if step & 1 else step >> 1))
        salt = cursor.take(32)
        if gap:
            leaf = leaves[seq - 1] = cursor.take(32)
        source, encoding, labels = heads[place]
        record = Record(encoding, labels, source, cursor.take(length), length)
        leaf = leaf_hash(record.entry(seq, clock, leaf, hashes.body_hash(salt, record.body)))
        records[seq] = Shown(seq, clock, record, leaf)
        leaves[seq] = leaf
        used.add(place)
    need(len(used) == len(heads), "damaged", "a head of no record in records.bin")
    return records, leaves


def wrapped(time):
    """A sum of times as an i64 has it."""
    return (time + (1 << 63)) % (1 << 64) - (1 << 63)


@dataclass
class Leaf:
    """A leaf of an index that is shown: by its hashes alone, or named, with its posting or without."""

    data: bytes
    name: str | None = None
    term: tuple | None = None
    posting: frozenset | None = None
    is_false: bool = False  # The posting is not the one that the leaf states.


def read_posting(cursor, count):
    offsets, end = [], 0
    while len(offsets) < count:
        gap, length = read_number(cursor), read_number(cursor) + 1
        need(not offsets or gap > 0, "damaged", "a run of a posting that is not as long as it can be")
        start, end = end + gap, end + gap + length
        need(end <= 1 << 24 and len(offsets) + length <= count, "damaged", "a posting's offsets")
        offsets += range(start, end)
    return tuple(offsets)


def read_leaf(cursor):
    form = cursor.number(1)
    need(form <= 2, "damaged", "the form of a leaf")
    if form == 0:
        key, name, term = cursor.take(64), None, None
    else:
        name, kind = cursor.text(1), cursor.number(1)
        need(kind <= 4, "damaged", "the type of a term")
        term = kind, cursor.take(cursor.number(2))
        key = hashes.index_field(name) + hashes.index_term(*term)
    count = cursor.take(4)
    leaf = Leaf(key + count + cursor.take(32) + bytes(28), name, term)
    if form == 2:
        offsets = read_posting(cursor, int.from_bytes(count, "little"))
        leaf.posting = frozenset(offsets)
        leaf.is_false = leaf_of(name, *term, offsets) != leaf.data
    return leaf
