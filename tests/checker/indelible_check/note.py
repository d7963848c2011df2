"""C2SP signed notes, verifier keys and checkpoints."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from . import ed25519
from .verdict import Fault, damaged, need

NOTE_LEN_MAX = 64 << 10
SIGNATURES_MAX = 100
NAME_LEN_MAX = 255
# The signature type of a key, and how many bytes that and the key have.
ED25519, ML_DSA_44 = (b"\x01", 33), (b"\x06", 1313)


def base64_strict(text, what):
    """Decodes base64 in its one standard spelling, padding and all."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise damaged(f"{what} is not base64") from None
    need(base64.b64encode(data).decode() == text, "damaged", f"{what} is not base64 in its one spelling")
    return data


def decimal(text, what, limit=1 << 64):
    need(re.fullmatch(r"0|[1-9][0-9]{0,19}", text, re.ASCII) and int(text) < limit, "damaged", f"{what} is no number")
    return int(text)


def is_name(name):
    def is_bad(char):
        return char == "+" or char.isspace() or char < " "
    return 0 < len(name.encode()) and not any(map(is_bad, name))


@dataclass(frozen=True)
class Key:
    name: str
    id: bytes
    public: bytes

    @staticmethod
    def parse(text):
        """Reads `name+8 hex digits+base64(type || public key)`; a ValueError says what is wrong with it."""
        try:
            name, key_id, encoded = text.split("+", 2)
            data = base64_strict(encoded, "the key")
        except (ValueError, Fault) as error:
            raise ValueError(f"not a verifier key: {error}") from None
        if not is_name(name) or len(name.encode()) > NAME_LEN_MAX:
            raise ValueError("not a verifier key: its name cannot stand in a note")
        if (data[:1], len(data)) not in (ED25519, ML_DSA_44):
            raise ValueError("not a verifier key: only Ed25519 and ML-DSA-44 are known")
        expected = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        if not re.fullmatch("[0-9a-f]{8}", key_id) or bytes.fromhex(key_id) != expected:
            raise ValueError("not a verifier key: its id is not that of its name and bytes")
        if data[0] == 1 and not ed25519.is_good_key(data[1:]):
            raise ValueError("not a verifier key: the point is weak or not canonical")
        return Key(name, expected, data[1:])

    @property
    def has_say(self):
        """Whether it is of Ed25519. Signatures by ML-DSA-44 are not checked here: it is not in the standard library."""
        return len(self.public) == 32


@dataclass(frozen=True)
class Note:
    text: str
    signatures: tuple  # of (name, key id, signature)

    @staticmethod
    def parse(data):
        need(len(data) <= NOTE_LEN_MAX, "damaged", "the note is too long")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise damaged("the note is not UTF-8") from None
        need(not any(ord(c) < 0x20 and c != "\n" for c in whole), "damaged", "a control character in the note")
        text, blank, lines = whole.rpartition("\n\n")
        need(blank and lines.endswith("\n"), "damaged", "the note has no signatures")
        signatures = []
        for line in lines[:-1].split("\n"):
            need(line.startswith("\u2014 "), "damaged", "a signature line does not begin with an em dash")
            name, space, encoded = line[2:].partition(" ")
            need(space and is_name(name), "damaged", "a signature line has no name")
            signature = base64_strict(encoded, "a signature")
            need(len(signature) > 4, "damaged", "a signature is too short")
            signatures.append((name, signature[:4], signature[4:]))
        need(len(signatures) <= SIGNATURES_MAX, "damaged", "too many signatures")
        return Note(text + "\n", tuple(signatures))

    def verify(self, key):
        """Demands a signature of this key; one that is said to be the key's and is not refuses the note."""
        need(key.has_say, "not authenticated", "signatures by ML-DSA-44 are not checked here: give the Ed25519 key")
        need(self.is_signed_by(key), "not authenticated", f"the checkpoint is not signed by {key.name}")

    def lines_of(self, key):
        """The signatures that are said to be this key's."""
        return [sig for name, key_id, sig in self.signatures if (name, key_id) == (key.name, key.id)]

    def is_signed_by(self, key):
        mine = self.lines_of(key)
        return bool(mine) and all(ed25519.verify(key.public, self.text.encode(), sig) for sig in mine)


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes

    @staticmethod
    def parse(text):
        lines = text.split("\n")
        need(len(lines) >= 4 and lines[-1] == "", "damaged", "a checkpoint has three lines")
        need(all(lines[:-1]), "damaged", "a line of the checkpoint is empty")
        root = base64_strict(lines[2], "the root")
        need(len(root) == 32, "damaged", "the root is not 32 bytes")
        return Checkpoint(lines[0], decimal(lines[1], "the size"), root)
