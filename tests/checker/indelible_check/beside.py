"""What whoever checks a bundle knows beside the key (FORMAT-bundle.md, sections 8 to 10)."""

import struct

from . import hashes
from .merkle import roots_by_consistency
from .note import Checkpoint, Key, Note, base64_strict, decimal
from .proof import numbered, open_checkpoint
from .verdict import need

SAMPLE_MAX = 1 << 16
SEED_LEN_MAX = 256
AUDITED_MAX = 512


def read_extends(data, checkpoint):
    """The earlier size and the hashes of the member `extends`; None where it is empty."""
    if not data:
        return None
    try:
        text = (data + b"\n" + checkpoint).decode()
    except UnicodeDecodeError:
        text = ""
    size, hashes_, note = numbered(text, "old ")
    need(note == Note.parse(checkpoint), "damaged", "more than a proof in extends")
    return size, hashes_


def check_challenge(challenge):
    """That a scope's challenge has the form that section 2 gives it."""
    need(isinstance(challenge, dict) and set(challenge) == {"sample", "seed"}, "damaged", "the keys of the challenge")
    sample, seed = challenge["sample"], challenge["seed"]
    need(type(sample) is int and 1 <= sample <= SAMPLE_MAX, "damaged", "the sample of the challenge")
    is_seed = isinstance(seed, str) and 1 <= len(seed.encode()) <= SEED_LEN_MAX
    need(is_seed, "damaged", "the seed of the challenge")


def draw(challenge, root, first, end, gone):
    """The seqs that a challenge draws of those that are not gone."""
    stayed, sample = [seq for seq in range(first, end) if seq not in gone], challenge["sample"]
    if len(stayed) <= sample:
        return set(stayed)
    drawn, number = set(), 0
    while len(drawn) < sample:
        words = struct.pack("<QQQ", first, end, number)
        word = hashes.keyed("challenge", root + words + challenge["seed"].encode())
        drawn.add(stayed[int.from_bytes(word[:16], "little") % len(stayed)])
        number += 1
    return drawn


def check_continues(checkpoint, extends, kept, key):
    """That the log under the checkpoint goes on from one that was kept."""
    kept = open_checkpoint(Note.parse(kept), key)
    need(kept.origin == checkpoint.origin, "forged", "checkpoint")
    need(kept.size <= checkpoint.size, "rolled back", "the checkpoint that was kept is of more records")
    if kept.size == checkpoint.size:
        need(kept.root == checkpoint.root, "forged", "checkpoint")
        return
    need(extends and extends[0] == kept.size, "incomplete", "checkpoint")
    roots = roots_by_consistency(kept.size, checkpoint.size, kept.root, extends[1])
    need(roots == (kept.root, checkpoint.root), "forged", "consistency proof")


def read_audit(data, key):
    """The origin of an index audit that the key signed, and its segments: first seq -> (end, index root)."""
    note = Note.parse(data)
    note.verify(Key.parse(key))
    first_line, origin, *lines = [*note.text.split("\n"), ""]
    need(first_line == "indelible index audit" and origin and lines[-2:] == ["", ""], "damaged", "no index audit")
    segments, after = {}, 0
    for line in lines[:-2]:
        words = line.split(" ")
        need(len(words) == 3, "damaged", "a line of the index audit")
        first, end = (decimal(word, "a seq of the index audit") for word in words[:2])
        root = base64_strict(words[2], "an index root")
        need(after <= first < end and len(root) == 32, "damaged", "the segments of the index audit")
        segments[first], after = (end, root), end
    need(1 <= len(segments) <= AUDITED_MAX, "damaged", "the segments of the index audit")
    return origin, segments
