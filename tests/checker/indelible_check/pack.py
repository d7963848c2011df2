"""A sealed segment in the warm tier, unpacked to the log that it stands for (FORMAT-pack.md)."""

import struct
import zlib
from dataclasses import dataclass

from .layout import (CLOSE, FRAME_HEADER_LEN, FRAME_MAGIC, HEADER_LEN, RECORD_HEADER_LEN, RECORDS, SEGMENT_RECORDS_MAX,
                     VERSION, Header, body_len_in_log, decode_labels, decode_records)
from .merkle import leaf_hash
from .verdict import need
from .zstd import unpack

MAGIC = b"INDPCK\r\n"
HEAD_LEN, STRIPE_LEN, BLOCK_LEN, TAIL_LEN = 16 + HEADER_LEN, 96, 16, 64
STRIPE_LOG_LEN_MAX, STRIPE_RECORDS_MAX = 8 << 20, 1 << 16
FRAME_LEN_MAX = (256 << 20) + (1 << 16)
FRAME_ROW_LEN = 20
WORD = 1 << 64


@dataclass
class Stripe:
    log_start: int
    log_end: int
    at: int
    blocks_len: int
    first_offset: int
    record_count: int
    first_block: int
    end_block: int
    frame_count: int
    frames_len: int
    crc: int
    zeros: int
    predecessor: bytes


class Pack:
    def __init__(self, data):
        self.data = data
        need(len(data) >= HEAD_LEN + TAIL_LEN, "damaged", "a pack is shorter than its ends")
        tail = data[-TAIL_LEN:]
        need(tail[56:] == MAGIC and data[:8] == MAGIC, "damaged", "the pack's magic")
        (self.log_len, length, self.record_count, stripe_count, block_count, zeros, at, more_zeros, read_version,
         _, crc) = struct.unpack_from("<QQIIIIQQHHI", tail)
        need(length == len(data), "damaged", "the pack's length")
        directory_len = stripe_count * STRIPE_LEN + block_count * BLOCK_LEN
        need(at + directory_len + TAIL_LEN == length and at >= HEAD_LEN, "damaged", "the pack's directory")
        need(zlib.crc32(data[at:-12], zlib.crc32(data[:HEAD_LEN])) == crc, "damaged", "the pack's checksum")
        need(read_version == VERSION, "unsupported", f"read version {read_version} of a pack")
        need(data[8:16] == tail[48:52] + bytes(4) and not zeros and not more_zeros, "damaged", "the pack's header")
        need(self.record_count <= SEGMENT_RECORDS_MAX, "damaged", "the pack's count of records")
        self.header = Header.decode(data[16:HEAD_LEN])
        directory = data[at:at + directory_len]
        stripes = directory[:stripe_count * STRIPE_LEN]
        self.stripes = [Stripe(*row) for row in struct.iter_unpack("<QQQQIIIIIIII32s", stripes)]
        self.blocks = list(struct.iter_unpack("<IIII", directory[len(stripes):]))
        self.check_tiling(at)

    def check_tiling(self, directory_at):
        """That stripes and blocks tile the log, the records and the file."""
        log_at, at, offset, block = HEADER_LEN, HEAD_LEN, 0, 0
        for stripe in self.stripes:
            blocks = self.blocks[stripe.first_block:stripe.end_block]
            log_len, frames_len = stripe.log_end - stripe.log_start, stripe.frame_count * FRAME_HEADER_LEN
            limit = FRAME_LEN_MAX if stripe.frame_count == 1 else STRIPE_LOG_LEN_MAX
            slots = [slot for _, _, slot, _ in blocks]
            is_sound = (
                stripe.log_start == log_at and stripe.at == at and stripe.first_offset == offset
                and stripe.first_block == block and stripe.end_block == block + len(blocks) and not stripe.zeros
                and 0 < frames_len <= log_len <= limit and stripe.record_count <= STRIPE_RECORDS_MAX
                and sum(packed for packed, _, _, _ in blocks) == stripe.blocks_len
                and sum(length for _, length, _, _ in blocks) == log_len - frames_len
                and all(length for _, length, _, _ in blocks) and bool(blocks) == bool(stripe.record_count)
                and slots == sorted(set(slots)) and (not slots or slots[0] == 0 and slots[-1] < stripe.record_count))
            need(is_sound, "damaged", "a stripe of a pack")
            log_at, block, offset = stripe.log_end, stripe.end_block, offset + stripe.record_count
            at += stripe.blocks_len + 2 * stripe.record_count + stripe.frames_len
        ends = log_at, offset, block, at
        need(ends == (self.log_len, self.record_count, len(self.blocks), directory_at), "damaged", "the pack's stripes")

    def log(self):
        """The log, byte for byte."""
        log = [self.data[16:HEAD_LEN]]
        for stripe in self.stripes:
            log += self.frames(stripe)
        return b"".join(log)

    def records(self, stripe):
        """The bytes of the stripe's records in the log's order, and its frames' columns."""
        at, by_slot = stripe.at, []
        for packed_len, length, slot, crc in self.blocks[stripe.first_block:stripe.end_block]:
            packed = self.data[at:at + packed_len]
            need(zlib.crc32(packed) == crc and slot == len(by_slot), "damaged", "a block of a pack")
            by_slot += _split(unpack(packed, length))
            at += packed_len
        need(len(by_slot) == stripe.record_count, "damaged", "the records of a stripe")
        behind = self.data[at:at + 2 * stripe.record_count + stripe.frames_len]
        need(zlib.crc32(behind) == stripe.crc, "damaged", "the slots of a stripe")
        slots = struct.unpack_from(f"<{stripe.record_count}H", behind)
        need(sorted(slots) == list(range(stripe.record_count)), "damaged", "the slots of a stripe")
        columns = unpack(behind[2 * stripe.record_count:], stripe.frame_count * FRAME_ROW_LEN)
        return [by_slot[slot] for slot in slots], struct.unpack(f"<{stripe.frame_count}I{2 * stripe.frame_count}Q",
                                                                columns)

    def frames(self, stripe):
        """The frames of a stripe, each with the header that follows from its records and its neighbours."""
        records, columns = self.records(stripe)
        count = stripe.frame_count
        at, first, received_at, leaf = stripe.log_start, 0, 0, stripe.predecessor
        for records_here, delta, before in zip(columns[:count], columns[count:2 * count], columns[2 * count:]):
            payload = b"".join(records[first:first + records_here])
            need(first + records_here <= len(records), "damaged", "the frames of a stripe")
            received_at = (received_at + delta) % WORD
            seq = self.header.first_seq + stripe.first_offset + first
            header = FRAME_MAGIC + bytes([RECORDS if records_here else CLOSE, 0, 0, 0])
            header += struct.pack("<IIQQQ", len(payload), records_here, seq, received_at, (at - before) % WORD)
            header += leaf + bytes(4)
            yield header + struct.pack("<I", zlib.crc32(payload, zlib.crc32(header))) + payload
            for record in decode_records(payload, records_here):
                leaf = self.leaf(record, seq, received_at, leaf)
                seq += 1
            at, first = at + FRAME_HEADER_LEN + len(payload), first + records_here
        need(first == len(records) and at == stripe.log_end, "damaged", "the frames of a stripe")

    def leaf(self, record, seq, received_at, predecessor):
        time = received_at - WORD if received_at >= WORD // 2 else received_at
        return leaf_hash(record.entry(seq, time, predecessor, record.hash_of(self.header.salt, seq)))


def _split(data):
    """The bytes of each record of a block."""
    records, at = [], 0
    while at < len(data):
        need(len(data) - at >= RECORD_HEADER_LEN, "damaged", "a record of a block")
        length, form, _, label_count = struct.unpack_from("<IBBB", data, at)
        _, end = decode_labels(data, at + RECORD_HEADER_LEN, label_count)
        end += body_len_in_log(form, length)
        need(end <= len(data), "damaged", "a record of a block")
        records.append(data[at:end])
        at = end
    return records
