"""A segment's log followed from its header: its frames, where it ends, and what a crash left (FORMAT.md, section 3)."""

from .layout import CLOSE, FRAME_MAGIC, HEADER_LEN, Frame, Header
from .verdict import Fault, damaged


class Log:
    """The frames of one log. `is_torn` says that bytes behind the last good frame were never known durable."""

    def __init__(self, name, data, is_active, head=None):
        self.name = name
        self.faults = []
        self.frames = []
        self.is_torn = False
        self.header = Header.decode(data)
        is_of_log = is_active and head and (head.store_id, head.active) == (self.header.store_id, int(name))
        self.head = head if is_of_log else None
        at = HEADER_LEN
        while at < len(data):
            try:
                frame = Frame.decode(data, at)
            except Fault as fault:
                self._stopped(data, at, fault, is_active)
                break
            self.frames.append(frame)
            at = frame.end
        if self._was_longer_than(len(data)) and not self.faults:
            self.faults.append(damaged(f"the log ends at byte {len(data)}, and was longer"))

    def _stopped(self, data, at, fault, is_active):
        """Judges what stands behind the last good frame."""
        if not is_active:
            self.faults.append(fault)
        elif self._was_durable(data, at):
            self.faults.append(damaged(f"{fault.what}, at byte {at}, which was durable once"))
        else:
            self.is_torn = any(data[at:])  # Zeros are room to grow.

    def _was_durable(self, data, at):
        """Whether a good frame, or `head`, says that the bytes at `at` were once durable."""
        if self._was_longer_than(at) or any(frame.synced_len > at for frame in self.frames):
            return True
        next_seq = self.next_seq()
        place = data.find(FRAME_MAGIC, at + 1)
        while place >= 0:
            try:
                frame = Frame.decode(data, place)
                if frame.first_seq >= next_seq and (frame.kind == CLOSE or frame.synced_len > at):
                    return True
            except Fault:
                pass
            place = data.find(FRAME_MAGIC, place + 1)
        return False

    def _was_longer_than(self, at):
        """Whether `head` knows of more records, behind `at`."""
        head = self.head
        return head is not None and head.durable_len > at and head.next_seq > self.next_seq()

    def next_seq(self):
        if not self.frames:
            return self.header.first_seq
        return self.frames[-1].first_seq + self.frames[-1].count
