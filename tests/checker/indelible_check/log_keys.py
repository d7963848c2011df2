"""The keys that sign a log's checkpoints (FORMAT.md, sections 5.1 and 5.2): a fold over the log's own records."""

import re
from dataclasses import dataclass

from . import ed25519, hashes, own
from .note import Key
from .verdict import forged, need

LEEWAY_NS = 60_000_000_000
ACTIONS = {"store.key": "rotate-key", "store.key_retired": "retire-key", "store.key_revoked": "revoke-key"}
OPERATORS = "store.operators"


@dataclass
class LogKey:
    key: Key
    since: int
    until: int | None = None
    revoked: int | None = None
    parent: "LogKey | None" = None

    def is_in_force(self, size):
        return self.since <= size and all(end is None or size <= end for end in (self.until, self.revoked))


def parse(text):
    try:
        return Key.parse(text)
    except ValueError as error:
        raise forged(str(error)) from None


def hex_bytes(text):
    need(re.fullmatch("(?:[0-9a-f]{2})*", text), "forged", "a signature that is not in hex digits")
    return bytes.fromhex(text)


class LogKeys:
    def __init__(self, created):
        first = created["log_key"]
        self.log = {name: created[name] for name in ("origin", "store_id")}
        self.keys = [LogKey(parse(first), 0)] if first else []
        self.operators, self.threshold, self.operators_seq = [], 2, 0
        self.unchecked = 0  # lines and approvals by ML-DSA-44

    def in_force(self, size):
        return [known for known in self.keys if known.is_in_force(size)]

    def change(self, value, seq, received_at):
        """A record that changes the log's keys or its operators."""
        try:
            if value["kind"] == OPERATORS:
                self.set_operators(value, seq, received_at)
            else:
                self._change(value, seq, received_at)
        except (KeyError, TypeError, ValueError) as error:
            raise forged(f"a change of keys that cannot be read: {error}") from None

    def set_operators(self, value, seq, received_at):
        """Those before agreed, as many as it takes or all; and the new ones can be operators."""
        signers, matter = self.signers(value, seq, received_at, "set-operators"), value["matter"]
        agreed = {signer.public for signer in signers} & {operator.public for operator in self.operators}
        required = min(max(self.threshold, 1), len(self.operators))
        need(len(agreed) >= required, "forged", "operators that those before did not agree to")
        need(matter["replaces"] == self.operators_seq, "forged", "operators in the place of others than those in force")
        keys = [parse(key) for key in matter["keys"]]
        publics = {key.public for key in keys}
        need(len(publics) == len(keys) and matter["threshold"] > 0, "forged", "an operator twice, or no threshold")
        need(all(key.has_say for key in keys), "forged", "an operator's key that is not of Ed25519")
        need(not publics & {known.key.public for known in self.keys}, "forged", "a key of the log as an operator's")
        self.operators, self.threshold, self.operators_seq = keys, matter["threshold"], seq

    def demand_enough(self, value, seq, received_at, action):
        """That as many operators as it takes agreed to what needs their leave."""
        signers = self.signers(value, seq, received_at, action)
        agreed = {signer.public for signer in signers} & {operator.public for operator in self.operators}
        need(len(agreed) >= max(self.threshold, 1), "forged", "less than the approvals of enough operators")

    def _change(self, value, seq, received_at):
        kind, matter = value["kind"], value["matter"]
        signers = self.signers(value, seq, received_at, ACTIONS[kind])
        if kind == "store.key":
            self.rotate(parse(matter["from"]), parse(matter["to"]), seq, signers)
            return
        key = parse(matter["key"])
        others = self.having_say(seq, signers, key)
        if kind == "store.key_retired":
            need(others, "forged", "no other key in force signed the retirement")
            self.one(known for known in self.in_force(seq) if known.key == key).until = seq
            return
        agreed = {signer.public for signer in signers} & {operator.public for operator in self.operators}
        need(others or len(agreed) >= max(self.threshold, 1), "forged", "nobody with a right to signed the revocation")
        known = self.one(known for known in self.keys if known.key == key)
        need(matter["size"] <= seq, "forged", "a revocation beyond the log")
        need(known.revoked is None or matter["size"] < known.revoked, "forged", "a revocation that takes nothing back")
        known.revoked = matter["size"]

    def having_say(self, seq, signers, key=None):
        """The signers whose keys of Ed25519 are in force, but this one."""
        return [known for known in self.in_force(seq)
                if known.key.has_say and known.key != key and known.key in signers]

    @staticmethod
    def one(found):
        known = next(found, None)
        need(known, "forged", "a key that is not the log's")
        return known

    def rotate(self, giver, heir, seq, signers):
        parent = self.one(known for known in self.in_force(seq) if known.key == giver)
        need(giver in signers and heir in signers, "forged", "both keys must sign")
        need(heir.name == giver.name, "forged", "a key of another name")
        need(giver.has_say or not heir.has_say, "forged", "a key of ML-DSA-44 that hands over to one of Ed25519")
        need(self.having_say(seq, signers), "forged", "nobody with a right to signed for the key")
        taken = [known.key.public for known in self.keys] + [operator.public for operator in self.operators]
        need(heir.public not in taken, "forged", "a key that was known before")
        need(heir.id not in [known.key.id for known in self.keys], "forged", "two keys with one id")
        self.keys.append(LogKey(heir, seq + 1, parent=parent))

    def signers(self, value, seq, received_at, action):
        """Who signed a change, of this log and in time."""
        statement = value["statement"]
        digest = hashes.approved_matter(own.canonical(value["matter"]))
        need(statement["action"] == action, "forged", "a statement of another action")
        need(statement["digest"] == digest.hex(), "forged", "a statement of another matter")
        need(all(statement[name] == mine for name, mine in self.log.items()), "forged", "a statement of another log")
        in_time = statement["as_of"] <= received_at < statement["expires"] + LEEWAY_NS
        need(in_time and statement["tree_size"] <= seq, "forged", "a statement of another time")
        message = b"indelible 2026 approval\0" + own.canonical(statement)
        signers = []
        for approval in value["approvals"]:
            key, signature = parse(approval["key"]), hex_bytes(approval["signature"])
            self.unchecked += not key.has_say
            is_good = not key.has_say or ed25519.verify(key.public, message, signature)
            need(is_good, "forged", "a signature over something else")
            signers.append(key)
        return signers

    def heirs(self, known_key):
        """The keys that whoever knows this one can believe."""
        heirs = []
        for known in self.keys:
            parent = known.parent
            is_heir = parent in heirs and (parent.revoked is None or known.since <= parent.revoked)
            if known.key == known_key or is_heir:
                heirs.append(known)
        return heirs


def check_signatures(notes, asked, log_keys):
    """Yields the fault of each note that has one, with its place; `log_keys` is None where they cannot be known."""
    keys = log_keys.keys if log_keys else []
    if asked and not asked.has_say:
        yield "", "not authenticated", "signatures by ML-DSA-44 are not checked here: give the log's key of Ed25519"
        asked = None
    own_keys = [known.key for known in keys if known.key.has_say]
    candidates = own_keys + ([asked] if asked and asked not in own_keys else [])
    heirs = log_keys.heirs(asked) if keys and asked else []

    def signed(note):
        return [key for key in candidates if note.lines_of(key)]

    def is_true(note):
        return all(note.is_signed_by(key) for key in signed(note))

    def rightful(note, size):
        return [known for known in keys if known.is_in_force(size) and known.key in signed(note)]

    def is_believed(note, size):
        if asked not in own_keys:
            return asked in signed(note)
        return any(known in heirs for known in rightful(note, size))

    believed = [size for _, note, size in notes if asked and is_true(note) and is_believed(note, size)]
    for where, note, size in notes:
        if not is_true(note):
            yield where, "not authenticated" if asked else "forged", "a signature that its key did not make"
        elif asked and is_believed(note, size):
            continue
        elif keys and not rightful(note, size) and any(key in own_keys for key in signed(note)):
            yield where, "forged", f"a signature by a key that is not in force at {size} records"
        elif keys and not rightful(note, size) and not asked:
            yield where, "not authenticated", "no signature by a key of the log"
        elif asked and not (keys and rightful(note, size) and size <= max(believed, default=-1)):
            yield where, "not authenticated", f"the checkpoint is not signed by {asked.name}"
