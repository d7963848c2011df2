"""What was deleted, and by whose leave (FORMAT.md, section 5.3)."""

import os
import re

from .verdict import damaged, forged, need

ARTIFACT = re.compile(r"blake3:[0-9a-f]{64}")

MINUTE_NS = 60_000_000_000


class Deletions:
    def __init__(self):
        self.plans = {}  # seq -> store.plan
        self.begun = {}  # seq -> store.deleting
        self.done = set()
        self.segments = []
        self.artifacts = {}  # name -> the seq of the record that it was put by last, or None once it was collected

    def fold(self, value, seq, received_at):
        if value["kind"] == "store.plan":
            self.plans[seq] = value
        elif value["kind"] == "store.deleting":
            self.begun[seq] = value
            self.check_planned(value, received_at)
        elif value["kind"] == "store.deleted":
            self.done.add(value["deleting"])
            begun = self.begun.get(value["deleting"])
            need(begun and begun["first_seq"] == value["first_seq"], "forged", "the end of a deletion that was not begun")

        elif value["kind"] == "store.artifact":
            need(ARTIFACT.fullmatch(value["artifact"]), "forged", "the name of an artifact")
            self.artifacts[value["artifact"]] = seq
        elif value["kind"] == "store.collecting":
            planned = {artifact["artifact"] for artifact in self.plan_of(value, received_at)["artifacts"]}
            need(planned.issuperset(value["artifacts"]), "forged", "artifacts that no plan names")
            self.artifacts |= dict.fromkeys(value["artifacts"])

    def plan_of(self, value, received_at):
        plan = self.plans.get(value["plan"])
        need(plan, "forged", "a deletion without a plan")
        need(received_at - plan["statement"]["expires"] < MINUTE_NS, "forged", "a deletion by a plan that had expired")
        return plan["matter"]

    def check_planned(self, deleting, received_at):
        plan = self.plan_of(deleting, received_at)
        segments = [segment for segment in plan["segments"] if segment["first_seq"] == deleting["first_seq"]]
        planned = [seqs for segment in segments for seqs in segment["seqs"]]
        for start, end in deleting["seqs"]:
            need(any(first <= start < end <= last for first, last in planned), "forged", "a deletion that is not planned")

    def settle(self, root, report):
        """Holds every segment, and the artifacts that are there, against what the records say of them."""
        for name, seq in self.artifacts.items():
            digits = name.removeprefix("blake3:")
            if seq is not None and not os.path.exists(os.path.join(root, "artifacts", digits[:2], digits)):
                report.add(forged("an artifact removed without authority"), f"artifacts/{digits[:2]}/{digits}")
        for segment in self.segments:
            where = f"segment {segment.first_seq}"
            own = {seq: value for seq, value in self.begun.items() if value["first_seq"] == segment.first_seq}
            if any(seq in self.done and seq > segment.rewritten_by for seq in own):
                report.add(damaged("events that are said to be deleted"), where)
            if not segment.rewritten_by or segment.kept:
                continue
            allowed = {}
            for value in (value for seq, value in own.items() if seq <= segment.rewritten_by):
                for start, end in value["seqs"]:  # A forged range may be of any length.
                    own_seqs = range(max(start, segment.first_seq), min(end, segment.first_seq + len(segment.leaves)))
                    allowed |= dict.fromkeys(own_seqs, value["plan"])
            stated = own.get(segment.rewritten_by)
            if not stated or any(allowed.get(seq) != plan for seq, plan in segment.stubs.items()):
                report.add(forged("events removed without authority"), where)
            if set(allowed) - set(segment.stubs):
                report.add(damaged("an event that is said to be deleted"), where)
            if stated and (stated["index_root"], stated["rules"]) != (
                    segment.index.root(segment.first_seq).hex(), segment.index.rules().hex()):
                report.add(forged("the index of what stayed"), where)
