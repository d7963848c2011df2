"""What is kept of a segment whose log is in an archive (FORMAT.md, section 13)."""

import struct
import zlib

from .archive import Cursor
from .layout import HEADER_LEN, SEGMENT_RECORDS_MAX, Frame, Header
from .verdict import need

PLACE_LEN_MAX = 4096


class Kept:
    def __init__(self, data, first_seq):
        content, checksum = data[:-4], data[-4:]
        need(len(checksum) == 4 and zlib.crc32(content) == struct.unpack("<I", checksum)[0], "damaged", "its checksum")
        cursor = Cursor(content, "what is kept of a segment")
        self.end_seq, self.log_len = cursor.number(8), cursor.number(8)
        place = cursor.text(8)
        self.root = cursor.take(32)
        self.last_leaf = cursor.take(32)
        header = cursor.take(cursor.number(8))
        frames = [(cursor.number(8), cursor.take(cursor.number(8))) for _ in range(self.count(cursor))]
        self.nodes = [(cursor.number(1), cursor.take(32)) for _ in range(self.count(cursor))]
        pieces = [(cursor.number(8), cursor.number(8), cursor.take(32)) for _ in range(self.count(cursor))]
        need(cursor.is_at_end, "damaged", "bytes behind what is kept")
        self.header = Header.decode(header)
        is_of_segment = len(header) == HEADER_LEN and self.header.first_seq == first_seq
        need(is_of_segment and 0 < self.end_seq - first_seq <= SEGMENT_RECORDS_MAX, "damaged", "the kept header")
        need(0 < len(place.encode()) <= PLACE_LEN_MAX, "damaged", "the name of the archive")
        self.frames = list(self.placed(frames, first_seq))
        need(self.frames and self.end_of_nodes(first_seq) == self.end_seq, "damaged", "the kept nodes")
        ends = [HEADER_LEN] + [end for end, _, _ in pieces]
        need(all(map(int.__lt__, ends, ends[1:])) and ends[-1] == self.log_len, "damaged", "the kept pieces")

    @staticmethod
    def count(cursor):
        """How many items follow; each has a byte at least."""
        count = cursor.number(8)
        need(count <= len(cursor.data), "damaged", "a list that is longer than its file")
        return count

    def placed(self, frames, first_seq):
        """The frames, each in its place in the log."""
        end = HEADER_LEN
        for number, (at, data) in enumerate(frames):
            frame = Frame.decode(data, 0)
            is_next = at >= end if number else at == end
            end = at + len(data)
            is_ours = first_seq <= frame.first_seq and frame.first_seq + frame.count <= self.end_seq
            need(is_next and is_ours and frame.end == len(data) and end <= self.log_len, "damaged", "a kept frame")
            yield frame

    def end_of_nodes(self, seq):
        for level, _ in self.nodes:
            if level > 63 or seq % (1 << level):
                return None
            seq += 1 << level
        return seq
