"""A whole store, checked in the order of docs/CHECKING.md."""

import os
import re

from . import own
from .authority import Authority
from .deletions import Deletions
from .events import parse_event
from .filters import Subject, matches
from .index import Index
from .kept import Kept
from .layout import CLOSE, SEGMENT_RECORDS_MAX, VERSION, Head
from .log import Log
from .log_keys import check_signatures
from .merkle import Frontier, leaf_hash, root_of
from .note import Checkpoint, Key, Note
from .pack import Pack
from .profile import STORE_PROFILE, compile_profile
from .query.question import ask
from .query.rows import Event
from .query.tokens import NoQuery
from .verdict import Fault, Report, damaged, forged, need

NAME = re.compile(r"[0-9]{20}")


class Chain:
    """What is known of the log so far: its tree, its sources, its rules, the active segment."""

    def __init__(self):
        self.frontier = Frontier()
        self.roots = {0: Frontier().root()}  # tree size -> root, of the sizes that checkpoints name
        self.wanted = set()
        self.last_leaf = bytes(32)
        self.synced_len = 0
        self.is_torn = False
        self.store_id = None
        self.created = None
        self.authority = None  # who may do what, once the log has said whose it is
        self.profiles = {0: compile_profile(STORE_PROFILE)}
        self.rules = None  # (seq, rules)
        self.deletions = Deletions()
        self.segment = None

    @property
    def next_seq(self):
        return self.frontier.size


class Segment:
    def __init__(self, header):
        self.first_seq = header.first_seq
        self.salt = header.salt
        self.rewritten_by = header.rewritten_by
        self.kept = None  # what is here of it, where its log is in an archive
        self.stubs = {}  # seq -> plan
        self.leaves = []
        self.index = Index()


class StoreCheck:
    def __init__(self, root, key=None):
        self.root = root
        self.key = key
        self.report = Report()
        self.chain = Chain()
        self.head = None  # where the log stood, as far as its last writer left word
        self.signed = []  # the checkpoints with their notes
        self.kept = []  # (seq, received_at, record, profile, segment), of records that are there

    def run(self):
        hot = set(self.listing("log", ".log"))
        # Where a log and its pack are there, the log is read.
        warm = set(self.listing("packs", ".pack")) - hot
        archived = set(self.listing("archived", ".kept")) - hot - warm
        self.head = Head.latest(self.read("head")) if os.path.isfile(os.path.join(self.root, "head")) else None
        # The active segment is never packed: a store without a log has lost it.
        names = sorted(hot | warm | archived) if hot else []
        notes = self.read_notes()
        self.chain.wanted = {checkpoint.size for _, checkpoint in notes}
        sealed = None
        is_whole = True
        for place, name in enumerate(names):
            is_hot = name in hot
            where = f"log/{name}.log" if is_hot else f"packs/{name}.pack" if name in warm else f"archived/{name}.kept"
            try:
                if name in archived:
                    sealed = self.check_kept(name, sealed)
                    self.report.add(Fault("incomplete", "a segment in an archive was not looked at"), where)
                else:
                    data = Pack(self.read("packs", f"{name}.pack")).log() if name in warm else None
                    sealed = self.check_segment(name, data, place == len(names) - 1, sealed)
                is_whole = is_whole and sealed is not None
            except Fault as fault:
                self.report.add(fault, where)
                is_whole = False
            if not is_whole:
                break
        if not names:
            self.report.add(Fault("incomplete", "there is no log"), "log")
        if is_whole:
            self.report.facts["tree_size"] = self.chain.next_seq
            self.report.facts["root"] = self.chain.frontier.root().hex()
            self.chain.deletions.settle(self.root, self.report)
        self.check_notes(notes, is_whole)
        return self.report

    def listing(self, folder, suffix):
        path = os.path.join(self.root, folder)
        names = os.listdir(path) if os.path.isdir(path) else []
        return sorted(name.removesuffix(suffix) for name in names
                      if name.endswith(suffix) and NAME.fullmatch(name.removesuffix(suffix)))

    def read(self, *path):
        with open(os.path.join(self.root, *path), "rb") as file:
            return file.read()

    # The logs.

    def check_segment(self, name, unpacked, is_active, sealed):
        """Follows one log, or what its pack unpacked to; gives the segment, or None where what comes behind it cannot be
        judged."""
        data = self.read("log", f"{name}.log") if unpacked is None else unpacked
        log = Log(name, data, is_active, self.head)
        chain, header = self.chain, log.header
        need(header.first_seq == int(name), "forged", "the log's name is not its first seq")
        if header.first_seq != chain.next_seq:
            raise self.gap(log)
        self.begin_segment(header, sealed)
        chain.synced_len, chain.is_torn = 0, log.is_torn
        for frame in log.frames:
            self.check_frame(frame)
        for fault in log.faults:
            raise fault
        # A crash while the store was made leaves a log without records; any other one begins with a seal.
        need(chain.segment.leaves or header.first_seq == 0, "damaged", "a log without records")
        return chain.segment

    def begin_segment(self, header, sealed):
        """Holds a header against the logs before; `sealed` is the segment whose seal the first record is to be."""
        chain, self.sealed = self.chain, sealed
        need(chain.store_id in (None, header.store_id), "forged", "the log of another store")
        chain.store_id = header.store_id
        need(header.predecessor == chain.last_leaf, "forged", "the leaf before the segment")
        need(header.frontier == chain.frontier.roots, "forged", "the header's frontier")
        chain.segment = Segment(header)
        chain.deletions.segments.append(chain.segment)

    def check_kept(self, name, sealed):
        """Goes on by what is kept of a segment whose log is in an archive; gives the segment."""
        chain, kept = self.chain, Kept(self.read("archived", f"{name}.kept"), int(name))
        need(kept.header.first_seq == chain.next_seq, "incomplete", f"no segment begins at {chain.next_seq}")
        self.begin_segment(kept.header, sealed)
        chain.segment.kept = kept
        for frame in kept.frames:
            for offset, record in enumerate(frame.records()):
                self.check_said(record, frame.first_seq + offset, frame.received_at)
        for level, root in kept.nodes:
            chain.frontier.push_node(level, root)
        chain.last_leaf = kept.last_leaf
        if chain.next_seq in chain.wanted:
            chain.roots[chain.next_seq] = chain.frontier.root()
        return chain.segment

    def gap(self, log):
        """What it means that a log does not begin where the one before it ends: its seal says what is missing."""
        before = self.chain.segment
        try:
            seal = own.decode(log.frames[0].records()[0].body)
        except (Fault, IndexError):
            seal = {}
        if before and seal.get("first_seq") == before.first_seq:
            return damaged(f"the segment before ends at {self.chain.next_seq}, and its seal says otherwise")
        return Fault("incomplete", f"no segment begins at {self.chain.next_seq}")

    def check_frame(self, frame):
        chain = self.chain
        need(frame.first_seq == chain.next_seq, "forged", f"a frame of {frame.first_seq}, not {chain.next_seq}")
        need(frame.predecessor == chain.last_leaf, "forged", f"the leaf before record {frame.first_seq}")
        need(chain.synced_len <= frame.synced_len <= frame.start, "damaged", "the frame's synced length")
        chain.synced_len = frame.end if frame.kind == CLOSE else frame.synced_len
        if frame.kind == CLOSE:
            return
        end_seq = frame.first_seq + frame.count
        need(end_seq - chain.segment.first_seq <= SEGMENT_RECORDS_MAX, "damaged", "too many records in the segment")
        for record in frame.records():
            self.check_record(record, frame.received_at)

    def check_record(self, record, received_at):
        chain, segment, seq = self.chain, self.chain.segment, self.chain.next_seq
        leaf = leaf_hash(record.entry(seq, received_at, chain.last_leaf, record.hash_of(segment.salt, seq)))
        self.check_said(record, seq, received_at)
        chain.frontier.push(leaf)
        segment.leaves.append(leaf)
        chain.last_leaf = leaf
        if chain.next_seq in chain.wanted:
            chain.roots[chain.next_seq] = chain.frontier.root()

    def check_said(self, record, seq, received_at):
        """Checks what a record says, or that it was deleted."""
        segment = self.chain.segment
        try:
            self.check_form(record)
            if record.body is None:
                segment.stubs[seq] = record.plan
                segment.index.add_deleted(record.plan)
            else:
                self.check_content(record, seq, received_at)
        except Fault as fault:
            self.report.add(fault, f"record {seq}")

    def check_form(self, record):
        if self.chain.segment.rewritten_by:
            need(record.salt is not None or record.body is None, "forged", "a record without a salt of its own")
            need(record.body is not None or record.source, "forged", "a stub of a record of the store's own")
        else:
            need(record.salt is None and record.body is not None, "forged", "a stub, or a salt, where none was deleted")

    def check_content(self, record, seq, received_at):
        chain = self.chain
        need(record.encoding == 0, "unsupported", f"record encoding {record.encoding}")
        profile = chain.profiles.get(record.source)
        need(profile, "forged", f"no source {record.source} was registered before")
        event = parse_event(record.body)
        found = profile.extract(event)
        chain.segment.index.add(record.source, profile, record.encoding, record.labels, found)
        self.kept.append((seq, received_at, record, profile, chain.segment.first_seq))
        if record.source:
            kinds = found.terms.get("kind", ())
            need(not any(term.startswith(b"store.") for _, term in kinds), "forged", "a user's event of a kind store.*")
            self.check_labels(record, Subject(seq, received_at, record, profile, found, event))
            need(seq, "forged", "record 0 is not store.created")
            need(seq != chain.segment.first_seq, "forged", "a segment that does not begin with a seal")
            return
        need(not record.labels, "forged", "labels on a record of the store's own")
        self.check_own(own.decode(record.body), seq, received_at)

    def check_labels(self, record, subject):
        given = [label for label in record.labels if label.startswith(b"masked:")]
        if self.chain.rules:
            seq, rules = self.chain.rules
            given.append(b"rules:%d" % seq)
            for rule in rules:
                if matches(rule["when"], subject):
                    given += [label.encode() for label in rule["labels"] if label.encode() not in given]
        need(list(record.labels) == given, "forged", "labels that the rules do not give")

    def check_own(self, value, seq, received_at):
        chain, kind = self.chain, value["kind"]
        need((kind == "store.created") == (seq == 0), "forged", f"{kind} at {seq}")
        begins = seq == chain.segment.first_seq and seq > 0
        need((kind == "store.sealed") == begins, "forged", f"{kind} at {seq}")
        if kind == "store.created":
            need(value["store_id"] == chain.store_id.hex(), "forged", "the store id of store.created")
            need(value["format"] == VERSION, "unsupported", f"format {value['format']}")
            chain.created = value
            chain.authority = Authority(value)
        elif kind == "store.sealed":
            self.check_seal(value, seq)
        elif kind == "store.source":
            try:
                chain.profiles[seq] = compile_profile(value["profile"])
            except (ValueError, KeyError) as error:
                raise forged(f"a profile that cannot be read: {error}") from None
        elif kind == "store.rules":
            chain.rules = (seq, value["rules"]) if value["rules"] else None
        elif chain.authority:
            chain.deletions.fold(value, seq, received_at)
            chain.authority.fold(value, seq, received_at)

    def check_seal(self, seal, seq):
        sealed = self.sealed
        need(sealed and (seal["first_seq"], seal["end_seq"]) == (sealed.first_seq, seq), "forged", "the seal's range")
        root = sealed.kept.root if sealed.kept else root_of(sealed.leaves)
        need(seal["root"] == root.hex(), "forged", "the segment root")
        if sealed.kept or sealed.rewritten_by:
            return  # Its index is in the archive, or what stayed has another: see Deletions.
        need(seal["rules"] == sealed.index.rules().hex(), "forged", "the index rules")
        need(seal["index_root"] == sealed.index.root(sealed.first_seq).hex(), "forged", "the index root")

    # The checkpoints.

    def read_notes(self):
        """Every checkpoint that can be read, with the file that it stands in; who signed it is one question, what it
        says another."""
        files = [("checkpoints", name) for name in self.listing("checkpoints", "")]
        if os.path.exists(os.path.join(self.root, "checkpoint")):
            files.append(("checkpoint",))
        notes, signed = [], self.signed
        for path in files:
            where = "/".join(path)
            try:
                note = Note.parse(self.read(*path))
                checkpoint = Checkpoint.parse(note.text)
                notes.append((where, checkpoint))
                signed.append((where, note, checkpoint.size))
                need(len(path) == 1 or int(path[1]) == checkpoint.size, "forged", "its name is not its size")
            except Fault as fault:
                self.report.add(fault, where)
        if self.key and not files:
            self.report.add(Fault("not authenticated", "there is no checkpoint"))
        return notes

    def check_notes(self, notes, is_whole):
        log_keys = self.chain.authority.keys if is_whole and self.chain.authority else None
        second = [known.key for known in log_keys.keys if not known.key.has_say] if log_keys else []
        lines = sum(len(note.lines_of(key)) for _, note, _ in self.signed for key in second)
        if lines or log_keys and log_keys.unchecked:
            self.report.facts["not_checked"] = (
                f"signatures by ML-DSA-44, which is not in Python's standard library: {lines} on checkpoints and "
                f"{log_keys.unchecked} in records")
        for where, verdict, what in check_signatures(self.signed, self.key, log_keys):
            self.report.add(Fault(verdict, what), where)
        for where, checkpoint in notes:
            if self.chain.created and checkpoint.origin != self.chain.created["origin"]:
                self.report.add(forged("the checkpoint of another log"), where)
            if checkpoint.size in self.chain.roots:
                if self.chain.roots[checkpoint.size] != checkpoint.root:
                    self.report.add(forged("the root of the tree"), where)
                continue
            if is_whole and checkpoint.size < self.chain.next_seq:
                fault = Fault("incomplete", f"its size lies in a segment that was not looked at: {checkpoint.size}")
                self.report.add(fault, where)
                continue
            # Torn bytes are no tail that nobody was told of where a checkpoint covers more records.
            verdict = "incomplete" if not is_whole else "damaged" if self.chain.is_torn else "rolled back"
            self.report.add(Fault(verdict, f"the log ends at {self.chain.next_seq}, before {checkpoint.size}"), where)


def check_store(root, key=None, _expected=None):
    return StoreCheck(root, Key.parse(key) if key else None).run()


def ask_store(root, key=None, questions=()):
    """A whole store, checked, and its answers to questions, each of them with what changes the answer. Of a question that
    makes no sense it is said why."""
    check = StoreCheck(root, Key.parse(key) if key else None)
    report = check.run()
    events = [Event(*kept) for kept in check.kept]
    answers = []
    for question in questions:
        try:
            answers.append({"rows": ask(question, events).decode()})
        except NoQuery as error:
            answers.append({"refused": str(error)})
        except Fault as fault:
            answers.append({"unknown": str(fault)})
    report.facts["answers"] = answers
    return report
