"""An evidence bundle, checked in the order of FORMAT-bundle.md, section 6."""

from . import own
from .archive import FOR_PEOPLE, Cursor, read_records, read_scope, unpack
from .beside import check_continues, draw, read_audit, read_extends
from .events import parse_event
from .index import OWN_FIELDS, Index
from .leave import OWED, Leave, check_shown
from .merkle import _split, node_hash
from .note import Checkpoint, Key, Note
from .owed import Segment
from .profile import STORE_PROFILE, compile_profile
from .query.question import check_question
from .query.rows import Event
from .shown import ShownIndex
from .verdict import Fault, Report, need


def root_of_proof(start, end, leaves, hashes):
    """The root over the leaves from `start` to `end`, of which some are known; the others' roots come from the proof."""
    if not any(start <= seq < end for seq in leaves):
        return next(hashes, None)
    if end - start == 1:
        return leaves[start]
    middle = start + _split(end - start)
    inside = {seq: leaf for seq, leaf in leaves.items() if start <= seq < end}
    left = root_of_proof(start, middle, inside, hashes)
    right = root_of_proof(middle, end, inside, hashes)
    return None if left is None or right is None else node_hash(left, right)


class BundleCheck:
    def __init__(self, members, key, kept=None, audits=(), seed=None):
        self.members = members
        self.key = key
        self.kept, self.audits, self.seed = kept, audits, seed
        self.profiles = {0: compile_profile(STORE_PROFILE)}
        self.seals = []
        self.withheld = 0

    def run(self):
        note = Note.parse(self.members["checkpoint"])
        extends = read_extends(self.members["extends"], self.members["checkpoint"])
        self.scope = read_scope(self.members["scope.json"])
        need(len(self.members["proof.bin"]) % 32 == 0, "damaged", "proof.bin is no row of hashes")
        note.verify(self.key)
        self.checkpoint = Checkpoint.parse(note.text)
        need(self.scope["end_seq"] <= self.checkpoint.size, "forged", "scope")
        self.records, leaves = read_records(self.members["records.bin"])
        self.check_inclusion(leaves)
        self.check_own()
        tiling = self.tiling()
        for seal in tiling:
            seal["restated"] = self.leave.of_segment(seal["first_seq"], seal["end_seq"])
        self.gone = {seal["first_seq"] + offset: plan for seal in tiling if seal["restated"]
                     for plan, offsets in seal["restated"].by_plan.items() for offset in offsets
                     if self.is_in_scope(seal["first_seq"] + offset)}
        self.owed = [OWED] if any(seal["restated"] for seal in tiling) else []
        self.drawn = self.draw(tiling)
        cursor = Cursor(self.members["index.bin"], "index.bin")
        end = self.scope["first_seq"]
        for seal in tiling:
            self.check_segment(seal, ShownIndex(cursor))
            end = max(end, seal["end_seq"])
        need(cursor.is_at_end, "damaged", "bytes behind the last segment in index.bin")
        for seq in range(end, self.scope["end_seq"]):
            need(seq in self.records, "incomplete", "tail")
        inside = [one for seq, one in self.records.items() if self.is_in_scope(seq)]
        need(all(one.record.source in self.profiles for one in inside), "incomplete", "source")
        is_disclosed = len(inside) + len(self.gone) == self.scope["end_seq"] - self.scope["first_seq"]
        if "query.json" in self.members:
            self.check_answer(tiling)
        is_audited = self.is_audited(tiling)
        if self.seed is not None:
            need(self.scope.get("challenge", {}).get("seed") == self.seed, "incomplete", "challenge")
        if self.kept is not None:
            check_continues(self.checkpoint, extends, self.kept, self.key)
        grade = "disclosed" if is_disclosed else "audited" if is_audited else "committed"
        return {"origin": self.checkpoint.origin, "tree_size": self.checkpoint.size, "grade": grade,
                "deleted": {plan: list(self.gone.values()).count(plan) for plan in sorted(set(self.gone.values()))},
                "withheld": self.withheld, "drawn": len(self.drawn), "records": len(inside),
                "not_checked": [name for name in FOR_PEOPLE if name in self.members]}

    def check_answer(self, tiling):
        """That the question is the scope's, and the answer its answer over the records that are here."""
        events = []
        for seq, shown in self.records.items():
            if self.is_in_scope(seq):
                behind = [seal["first_seq"] for seal in tiling if seq < seal["end_seq"]]
                segment = behind[0] if behind else tiling[-1]["end_seq"] if tiling else 0
                events.append(Event(seq, shown.received_at, shown.record, self.profiles[shown.record.source], segment))
        check_question(self.members, self.scope["filters"], events)

    def draw(self, tiling):
        if "challenge" not in self.scope:
            return set()
        first = self.scope["first_seq"]
        end = min(tiling[-1]["end_seq"], self.scope["end_seq"]) if tiling else first
        return draw(self.scope["challenge"], self.checkpoint.root, first, end, self.gone)

    def is_audited(self, tiling):
        """Whether the audits that were given name all segments, each as its seal does."""
        named = set()
        for data, auditor in self.audits:
            origin, segments = read_audit(data, auditor)
            need(origin == self.checkpoint.origin, "forged", "index audit")
            for seal in tiling:
                audited = segments.get(seal["first_seq"])
                if audited is not None:
                    roots = [bytes.fromhex(seal["index_root"])]
                    roots += [root for root, _ in seal["restated"].stated] if seal["restated"] else []
                    need(audited[0] == seal["end_seq"] and audited[1] in roots, "forged", "index audit")
                    if audited[1] == roots[-1]:
                        named.add(seal["first_seq"])
        return bool(self.audits) and all(seal["first_seq"] in named for seal in tiling)

    def is_in_scope(self, seq):
        return self.scope["first_seq"] <= seq < self.scope["end_seq"]

    def check_inclusion(self, leaves):
        data = self.members["proof.bin"]
        hashes = iter([data[at:at + 32] for at in range(0, len(data), 32)])
        size = self.checkpoint.size
        fits = size > 0 and all(seq < size for seq in leaves)
        root = root_of_proof(0, size, leaves, hashes) if fits else None
        need(root == self.checkpoint.root and next(hashes, None) is None, "forged", "inclusion proof")

    def check_own(self):
        need(0 in self.records, "incomplete", "first record")
        self.leave = None
        for seq, shown in self.records.items():
            need(shown.record.encoding == 0, "unsupported", f"record encoding {shown.record.encoding}")
            if shown.record.source:
                continue
            value = own.decode_known(shown.record.body) or {"kind": None}
            if value["kind"] == "store.sealed":
                need(value["end_seq"] == seq and value["first_seq"] < seq, "forged", "seal")
                self.seals.append(value)
            elif value["kind"] == "store.source":
                self.profiles[seq] = compile_profile(value["profile"])
            if seq == 0:
                is_first = value["kind"] == "store.created" and value["origin"] == self.checkpoint.origin
                need(is_first, "forged", "checkpoint")
                self.leave = Leave(value, self.key)
            need(self.leave, "forged", "checkpoint")
            self.leave.add(seq, shown.received_at, value)
        need(self.leave, "forged", "checkpoint")

    def tiling(self):
        first, end = self.scope["first_seq"], self.scope["end_seq"]
        meeting = [seal for seal in self.seals if seal["first_seq"] < end and seal["end_seq"] > first]
        meeting.sort(key=lambda seal: (seal["first_seq"], seal["end_seq"]))
        at = first
        for place, seal in enumerate(meeting):
            need(seal["first_seq"] <= at, "incomplete", "segment")
            need(place == 0 or seal["first_seq"] == at, "forged", "seal")
            at = seal["end_seq"]
        return meeting

    def check_segment(self, seal, shown):
        need(all(one in self.profiles for one in shown.sources), "incomplete", "source")
        profiles = [self.profiles[one] for one in shown.sources]
        restated = seal["restated"]
        gone = restated.gone if restated else frozenset()
        stands = bytes.fromhex(seal["index_root"]), bytes.fromhex(seal["rules"])
        shown.check(seal, self.profiles, restated.stated[-1] if restated else stands)
        for name in shown.vocabularies:
            kinds = {profile.kind(name) for profile in profiles if name in profile.by_name}
            is_own = name in OWN_FIELDS or restated and name == "deleted"
            need((kinds or is_own) and not kinds & {"id", "time"}, "forged", "vocabulary")
        if restated:
            check_shown(restated, shown)
        segment = Segment(shown, profiles, seal, gone)
        for filter_ in self.scope["filters"] + self.owed:
            _, owed, may = segment.sets(filter_)
            need(self.missing(owed, seal) == 0, "incomplete", "event")
            missing = self.missing(may, seal)
            is_let = filter_ is not OWED and self.scope["candidates"] == "matches"
            need(missing == 0 or is_let, "incomplete", "candidate")
            self.withheld += missing
        here = (offset for offset in gone if seal["first_seq"] + offset in self.records)
        need(next(here, None) is None, "forged", "deletion")
        self.check_agreement(seal, shown)

    def missing(self, offsets, seal):
        seqs = (seal["first_seq"] + offset for offset in offsets)
        return sum(1 for seq in seqs if self.is_in_scope(seq) and seq not in self.records)

    def check_agreement(self, seal, shown):
        """That what is shown says of each record here just what its profile finds in it (step 6)."""
        index = Index()
        index.profiles = {one: self.profiles[one] for one in shown.sources}
        names = {leaf.name for leaf in shown.leaves if leaf.name is not None}
        committed = set(index.field_names()) - index.private_names()
        for seq in sorted(self.drawn):
            need(seq in self.records or not seal["first_seq"] <= seq < seal["end_seq"], "incomplete", "challenge")
        for seq in range(seal["first_seq"], seal["end_seq"]):
            if seq not in self.records:
                continue
            record = self.records[seq].record
            need(record.source in index.profiles, "forged", "index")
            found = self.profiles[record.source].extract(parse_event(record.body))
            for name in committed if seq in self.drawn else names & committed:
                terms = index.terms_of(name, record.source, record.encoding, record.labels, found)
                is_shown = all(shown.posting(name, *term) is not None for term in terms)
                need(is_shown or seq not in self.drawn, "incomplete", "challenge")
                self.check_terms(shown, name, terms, seq - seal["first_seq"])

    @staticmethod
    def check_terms(shown, name, terms, offset):
        for leaf in shown.leaves:
            if leaf.name == name and leaf.posting is not None:
                need((offset in leaf.posting) == (leaf.term in terms), "forged", "index")
        vocabulary = shown.vocabulary(name)
        for term in terms:
            posting = shown.posting(name, *term)
            need(posting is None or offset in posting, "forged", "index")
            need(vocabulary is None or term[0] == 0 or term in vocabulary, "forged", "index")


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def check_bundle_file(path, key, expected=None, audits=(), seed=None):
    """A bundle's evidence. What it says to people is not made anew: that takes the query language. `expected` is the file
    of a checkpoint that was kept, `audits` are files of notes, each with the auditor's key."""
    if key is None:
        raise ValueError("a bundle is worth what its key is: give one")
    key = Key.parse(key)
    archive, kept = _read(path), expected and _read(expected)
    audits = [(_read(note), auditor) for note, auditor in audits]
    report = Report()
    try:
        report.facts = BundleCheck(unpack(archive), key, kept, audits, seed).run()
    except Fault as fault:
        report.add(fault)
    return report
