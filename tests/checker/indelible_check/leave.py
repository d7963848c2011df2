"""What was deleted of the segments that a bundle is about, and by whose leave (FORMAT-bundle.md, section 11)."""

from . import own
from .log_keys import LEEWAY_NS, LogKeys, parse
from .profile import NUMBER
from .verdict import need

OWED = {"all": ["store_record", {"field": [{"name": "kind"}, {"equals": [
    {"text": "store.deleting"}, {"text": "store.operators"}]}]}]}


class Restated:
    """What stands of a segment in the place of its seal's words about the index."""

    def __init__(self):
        self.stated = []  # (index root, rules), of one deletion after the other
        self.by_plan = {}  # plan -> offsets

    @property
    def gone(self):
        return frozenset().union(*self.by_plan.values())


class Leave:
    """The records here that name operators, begin plans and delete, by seq."""

    def __init__(self, created, key):
        self.created, self.key = created, key
        self.operators, self.plans, self.deletings = {}, {}, {}
        self.known = {}  # the plans that were found to be approved

    def add(self, seq, received_at, value):
        of_kind = {"store.operators": self.operators, "store.plan": self.plans, "store.deleting": self.deletings}
        if value["kind"] in of_kind:
            of_kind[value["kind"]][seq] = received_at, value

    def of_segment(self, first, end):
        """What was deleted of the segment from `first` up to its seal at `end`; None where nothing here says so."""
        restated = None
        for seq, (received_at, value) in sorted(self.deletings.items()):
            if value["first_seq"] != first:
                continue
            plan = self.approved(value["plan"])
            in_time = received_at - plan["statement"]["expires"] < LEEWAY_NS
            need(value["plan"] < seq and seq > end and in_time, "forged", "deletion")
            planned = [seqs for one in plan["matter"]["segments"] if one["first_seq"] == first for seqs in one["seqs"]]
            offsets = set()
            for start, stop in value["seqs"]:
                inside = first <= start < stop <= end
                need(inside and any(low <= start and stop <= high for low, high in planned), "forged", "deletion")
                offsets |= set(range(start - first, stop - first))
            restated = restated or Restated()
            need(not restated.gone & offsets, "forged", "deletion")
            try:
                restated.stated.append(tuple(own.hex_hash(value[name]) for name in ("index_root", "rules")))
            except ValueError:
                need(False, "forged", "deletion")
            known = restated.by_plan.setdefault(value["plan"], frozenset())
            restated.by_plan[value["plan"]] = known | offsets
        return restated

    def approved(self, seq):
        """The plan of a record, which operators in force approved, as many as it takes."""
        if seq in self.known:
            return self.known[seq]
        need(seq in self.plans, "incomplete", "plan")
        keys = LogKeys(self.created)
        for at, (received_at, value) in sorted(self.operators.items()):
            replaces = value["matter"]["replaces"]
            if at < seq:
                need(not keys.operators_seq < replaces < at, "incomplete", "operators")
                need(self.key.public not in [parse(key).public for key in value["matter"]["keys"]], "forged", "operators")
                keys.set_operators(value, at, received_at)
        need(keys.operators_seq, "incomplete", "operators")
        received_at, plan = self.plans[seq]
        keys.demand_enough(plan, seq, received_at, "delete")
        self.known[seq] = plan
        return plan


def check_shown(restated, shown):
    """That the index that is shown says that just these records were deleted, and names none of them elsewhere."""
    vocabulary = shown.vocabulary("deleted")
    need(vocabulary is not None, "incomplete", "deletion")
    stated = {term: shown.posting("deleted", *term) for term in vocabulary}
    need(None not in stated.values(), "incomplete", "deletion")
    expected = {(NUMBER, str(plan).encode()): offsets for plan, offsets in restated.by_plan.items()}
    need(stated == expected, "forged", "deletion")
    gone = restated.gone
    others = [leaf.posting for leaf in shown.leaves if leaf.name not in (None, "deleted") and leaf.posting is not None]
    need(not any(posting & gone for posting in others), "forged", "deletion")
