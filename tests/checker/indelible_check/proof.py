"""Proofs that travel without the store: that an event is in the log, and that the log only grew (FORMAT.md, section 11)."""

import os
import re

from . import hashes
from .layout import Entry
from .merkle import leaf_hash, root_by_inclusion, roots_by_consistency
from .note import Checkpoint, Key, Note, base64_strict, decimal
from .verdict import Fault, Report, damaged, forged, need

FIRST_LINE = "c2sp.org/tlog-proof@v1\n"
PROOF_LEN_MAX = 192 << 10
HASHES_MAX = 128


def text_of(data):
    need(len(data) <= PROOF_LEN_MAX, "damaged", "the proof is too long")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise damaged("the proof is not UTF-8") from None


def numbered(text, word):
    """A line with a number, hashes a line each, an empty line, a checkpoint."""
    head, blank, note = text.partition("\n\n")
    need(blank, "damaged", "no empty line before the checkpoint")
    first, *lines = head.split("\n")
    need(first.startswith(word), "damaged", f"no line that begins with {word}")
    number = decimal(first.removeprefix(word), "the number behind " + word)
    proof = [base64_strict(line, "a hash") for line in lines]
    need(all(len(one) == 32 for one in proof) and len(proof) <= HASHES_MAX, "damaged", "the hashes of the proof")
    return number, proof, Note.parse(note.encode())


def open_checkpoint(note, key):
    note.verify(key)
    return Checkpoint.parse(note.text)


def check_event(proof, body, salt, key):
    """The entry that is proven, and the checkpoint that it is under."""
    text = text_of(proof)
    need(text.startswith(FIRST_LINE), "damaged", "the proof's first line")
    rest = text.removeprefix(FIRST_LINE)
    extra = None
    if rest.startswith("extra "):
        line, end, rest = rest.removeprefix("extra ").partition("\n")
        need(end, "damaged", "the extra line has no end")
        extra = base64_strict(line, "the extra line")
    index, path, note = numbered(rest, "index ")
    need(re.fullmatch(rb"[0-9a-f]{64}", salt.rstrip()), "damaged", "a salt is 64 lower-case hex digits")
    need(extra is not None, "forged", "the entry is missing")
    checkpoint = open_checkpoint(note, key)
    is_in = index < checkpoint.size
    root = root_by_inclusion(index, checkpoint.size, leaf_hash(extra), path) if is_in else None
    need(root == checkpoint.root, "forged", "the entry does not lead to the root")
    try:
        entry = Entry.decode(extra)
    except Fault as fault:
        raise forged(f"the entry: {fault.what}") from None
    need(entry.seq == index, "forged", "the entry is of another seq")
    need(entry.body_len == len(body), "forged", "the event's length")
    digest = hashes.body_hash(bytes.fromhex(salt.decode().rstrip()), body)
    need(digest == entry.body_hash, "forged", "the event's hash")
    return entry, checkpoint


def check_growth(proof, old, key):
    """The later checkpoint, which continues the earlier one."""
    old_size, path, note = numbered(text_of(proof), "old ")
    earlier = open_checkpoint(Note.parse(old), key)
    later = open_checkpoint(note, key)
    need(earlier.origin == later.origin, "forged", "the checkpoints are of two logs")
    need(earlier.size == old_size, "forged", "the proof is from another size")
    is_in = old_size <= later.size
    roots = roots_by_consistency(old_size, later.size, earlier.root, path) if is_in else None
    need(roots == (earlier.root, later.root), "forged", "the log is not shown to continue")
    return later


def _report(check):
    report = Report()
    try:
        report.facts = check()
    except Fault as fault:
        report.add(fault)
    return report


def _facts(checkpoint):
    return {"origin": checkpoint.origin, "tree_size": checkpoint.size, "root": checkpoint.root.hex()}


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def check_proof_file(path, key, _beside=None):
    """A `.tlog-proof`, with the event and its salt beside it."""
    name = os.path.splitext(path)[0]
    key = _key(key)

    def check():
        entry, checkpoint = check_event(_read(path), _read(name + ".json"), _read(name + ".salt"), key)
        labels = [label.decode() for label in entry.labels]
        said = {"seq": entry.seq, "source": entry.source, "received_at": entry.received_at, "labels": labels}
        return {**_facts(checkpoint), **said}
    return _report(check)


def check_growth_file(path, key, old):
    """A consistency proof, and the earlier checkpoint."""
    if old is None:
        raise ValueError("name the earlier checkpoint")
    key = _key(key)
    return _report(lambda: _facts(check_growth(_read(path), _read(old), key)))


def _key(text):
    if text is None:
        raise ValueError("a proof is worth what its key is: give one")
    return Key.parse(text)
