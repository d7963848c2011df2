"""The bytes of a segment's log: its header, its frames and their records (FORMAT.md, section 3), and entries."""

import struct
import zlib
from dataclasses import dataclass

from . import hashes
from .verdict import damaged, need

VERSION = 1
HEADER_LEN, FRAME_HEADER_LEN, RECORD_HEADER_LEN = 2048, 80, 16
MAGIC, FRAME_MAGIC = b"INDLOG\r\n", b"\x89IDF"
HEAD_MAGIC, HEAD_SLOT_LEN = b"INDHEAD\n", 2048
RECORDS, CLOSE = 1, 2
WHOLE, DELETED, SALTED = 0, 1, 2
PAYLOAD_LEN_MAX, EVENT_LEN_MAX = 1 << 20, 256 << 20
FRAME_RECORDS_MAX, SEGMENT_RECORDS_MAX = 65_536, 16_777_216
LABEL_LEN_MAX = 64
ENTRY_HEADER_LEN = 96


@dataclass
class Header:
    first_seq: int
    store_id: bytes
    salt: bytes
    created_at: int
    predecessor: bytes
    frontier: list
    rewritten_by: int  # the seq of the store.deleting record by which records were deleted last; 0 for none

    @staticmethod
    def decode(data):
        need(len(data) >= HEADER_LEN, "damaged", "the log is shorter than its header")
        data = data[:HEADER_LEN]
        need(data[:8] == MAGIC, "damaged", "the log's magic is wrong")
        need(zlib.crc32(data[:2044]) == struct.unpack_from("<I", data, 2044)[0], "damaged", "header checksum")
        read_version, _write_version, length = struct.unpack_from("<HHI", data, 8)
        need(read_version == VERSION, "unsupported", f"read version {read_version}; this checker knows {VERSION}")
        need(length == HEADER_LEN, "damaged", "header length")
        (first_seq,) = struct.unpack_from("<Q", data, 16)
        created_at, predecessor, count = struct.unpack_from("<q32sI", data, 72)
        need(count == first_seq.bit_count(), "damaged", "number of frontier hashes")
        frontier = [data[128 + 32 * place:160 + 32 * place] for place in range(count)]
        rest = data[116:120] + data[128 + 32 * count:2044]
        need(not any(rest), "damaged", "reserved bytes of the header")
        (rewritten_by,) = struct.unpack_from("<Q", data, 120)
        need(not rewritten_by or not any(data[40:72]), "damaged", "a segment salt although records were deleted")
        return Header(first_seq, data[24:40], data[40:72], created_at, predecessor, frontier, rewritten_by)


@dataclass
class Frame:
    start: int
    end: int
    kind: int
    first_seq: int
    received_at: int
    synced_len: int
    predecessor: bytes
    count: int
    payload: bytes

    @staticmethod
    def decode(data, start):
        """The frame at `start`; a fault where its header makes no sense or its checksum fails."""
        header = data[start:start + FRAME_HEADER_LEN]
        need(len(header) == FRAME_HEADER_LEN and header[:4] == FRAME_MAGIC, "damaged", "no frame begins here")
        length, count, first_seq, received_at, synced_len = struct.unpack_from("<IIQqQ", header, 8)
        end = start + FRAME_HEADER_LEN + length
        need(end <= len(data), "damaged", "the frame is longer than the log")
        payload = data[start + FRAME_HEADER_LEN:end]
        checksum = zlib.crc32(payload, zlib.crc32(header[:76]))
        need(checksum == struct.unpack_from("<I", header, 76)[0], "damaged", "frame checksum")
        kind = header[4]
        need(kind in (RECORDS, CLOSE), "damaged", "kind of the frame")
        need(not any(header[5:8]) and not any(header[72:76]), "damaged", "reserved bytes of the frame")
        if kind == CLOSE:
            need(length == 0 and count == 0, "damaged", "a close frame with something in it")
        else:
            need(1 <= count <= FRAME_RECORDS_MAX, "damaged", "number of records in the frame")
            need(length <= PAYLOAD_LEN_MAX or count == 1, "damaged", "payload length")
        return Frame(start, end, kind, first_seq, received_at, synced_len, header[40:72], count, payload)

    def records(self):
        return decode_records(self.payload, self.count)


@dataclass
class Record:
    encoding: int
    labels: tuple
    source: int
    body: bytes | None  # None where it was deleted
    body_len: int
    salt: bytes | None = None  # of a record that has its own
    body_hash: bytes | None = None  # of one that was deleted,
    plan: int | None = None  # by the plan at this seq

    def hash_of(self, segment_salt, seq):
        """The salted hash of the body, which stays where the body was deleted (section 4)."""
        if self.body is None:
            return self.body_hash
        return hashes.body_hash(self.salt or hashes.record_salt(segment_salt, seq), self.body)

    def entry(self, seq, received_at, predecessor, body_hash):
        """What the log states of the record (section 4)."""
        fixed = struct.pack("<BBBBIQQq", 1, self.encoding, len(self.labels), 0, self.body_len, self.source, seq,
                            received_at)
        return fixed + predecessor + body_hash + encode_labels(self.labels)


def encode_labels(labels):
    return b"".join(bytes([len(label)]) + label for label in labels)


def decode_labels(data, at, count):
    """The labels at `at`, and where they end."""
    labels = []
    for _ in range(count):
        length = data[at] if at < len(data) else 0
        label = data[at + 1:at + 1 + length]
        need(1 <= length <= LABEL_LEN_MAX and len(label) == length, "damaged", "length of a label")
        try:
            label.decode()
        except UnicodeDecodeError:
            raise damaged("a label is not UTF-8") from None
        labels.append(label)
        at += 1 + length
    return tuple(labels), at


def body_len_in_log(form, length):
    """How many bytes stand behind the labels of a record of this form, whose event has this length."""
    need(form <= SALTED, "unsupported", f"record form {form}")
    return {WHOLE: length, DELETED: 40, SALTED: 32 + length}[form]


def decode_records(payload, count):
    records, at = [], 0
    for _ in range(count):
        need(len(payload) - at >= RECORD_HEADER_LEN, "damaged", "a record is cut off")
        length, form, encoding, label_count, reserved, source = struct.unpack_from("<IBBBBQ", payload, at)
        need(reserved == 0, "damaged", "reserved byte of a record")
        need(length <= EVENT_LEN_MAX, "damaged", "length of a record's body")
        labels, at = decode_labels(payload, at + RECORD_HEADER_LEN, label_count)
        end = at + body_len_in_log(form, length)
        need(len(payload) >= end, "damaged", "a record's body is cut off")
        if form == WHOLE:
            record = Record(encoding, labels, source, payload[at:end], length)
        elif form == SALTED:
            record = Record(encoding, labels, source, payload[at + 32:end], length, salt=payload[at:at + 32])
        else:
            (plan,) = struct.unpack_from("<Q", payload, at + 32)
            record = Record(encoding, labels, source, None, length, body_hash=payload[at:at + 32], plan=plan)
        records.append(record)
        at = end
    need(at == len(payload), "damaged", "bytes behind the last record of a frame")
    return records


@dataclass
class Entry:
    encoding: int
    body_len: int
    source: int
    seq: int
    received_at: int
    predecessor: bytes
    body_hash: bytes
    labels: tuple

    @staticmethod
    def decode(data):
        need(ENTRY_HEADER_LEN <= len(data) < 65_536, "damaged", "length of the entry")
        version, encoding, label_count, reserved, body_len, source, seq, received_at = struct.unpack_from(
            "<BBBBIQQq", data)
        need(version == 1, "unsupported", f"entry version {version}")
        need(encoding == 0, "unsupported", f"record encoding {encoding}")
        need(reserved == 0, "damaged", "reserved byte of the entry")
        labels, end = decode_labels(data, ENTRY_HEADER_LEN, label_count)
        need(end == len(data), "damaged", "bytes behind the entry's labels")
        return Entry(encoding, body_len, source, seq, received_at, data[32:64], data[64:96], labels)


@dataclass
class Head:
    """What `head` says of the log's last file (FORMAT.md, section 7)."""
    turn: int
    store_id: bytes
    active: int
    durable_len: int
    next_seq: int

    @staticmethod
    def latest(data):
        """The valid slot of the greatest turn; None where there is none."""
        slots = (Head._decode(data[at:at + HEAD_SLOT_LEN]) for at in (0, HEAD_SLOT_LEN))
        return max(filter(None, slots), key=lambda head: head.turn, default=None)

    @staticmethod
    def _decode(slot):
        if len(slot) != HEAD_SLOT_LEN or slot[:8] != HEAD_MAGIC or struct.unpack_from("<I", slot, 8)[0] != VERSION:
            return None
        if zlib.crc32(slot[:-4]) != struct.unpack("<I", slot[-4:])[0]:
            return None
        turn, store_id, active, durable_len, next_seq = struct.unpack_from("<Q16s24xQQQ", slot, 16)
        return Head(turn, store_id, active, durable_len, next_seq)
