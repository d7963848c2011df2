"""Who was entitled to what (FORMAT.md, section 5.1): holds, policies and plans, as the log's own records fold."""

from .log_keys import ACTIONS, OPERATORS, LogKeys
from .verdict import need


class Authority:
    def __init__(self, created):
        self.keys = LogKeys(created)
        self.holds = {}  # seq -> name, of those that stand
        self.policy = None
        self.plans = []  # what was signed of the plans that were begun

    def fold(self, value, seq, received_at):
        kind = value["kind"]
        if kind in ACTIONS or kind == OPERATORS:
            self.keys.change(value, seq, received_at)
        elif kind == "store.hold":
            is_known = value["name"] in self.holds.values()
            self.holds[seq] = value["name"]
            need(not is_known, "forged", "a hold by the name of one that stands")
        elif kind == "store.hold_released":
            self.release(value, seq, received_at)
        elif kind == "store.plan":
            is_known = value["statement"] in self.plans
            self.plans.append(value["statement"])
            need(not is_known, "forged", "a plan that is carried out twice")
            self.keys.demand_enough(value, seq, received_at, "delete")
        elif kind == "store.policy":
            before, self.policy = self.policy, value
            lost = [rule["name"] for rule in (before or {"rules": ()})["rules"] if rule["locked"] and not stays(rule, value)]
            need(not lost, "forged", f"a policy without the locked rule {lost[:1]}")

    def release(self, value, seq, received_at):
        matter = value["matter"]
        stood = self.holds.get(matter["hold"]) == matter["name"]
        self.holds.pop(matter["hold"], None)
        need(stood, "forged", "the release of a hold that does not stand")
        self.keys.demand_enough(value, seq, received_at, "release-hold")


def stays(rule, policy):
    """Whether a policy has a locked rule still, as it was or longer."""
    return any(new["name"] == rule["name"] and new["when"] == rule["when"] and new["locked"]
               and is_as_long(new["terms"], rule["terms"]) for new in policy["rules"])


def is_as_long(new, old):
    keeps = new["keep_s"] is None or old["keep_s"] is not None and new["keep_s"] >= old["keep_s"]
    # No demand on a tier is the least.
    return keeps and all((-1 if new[tier] is None else new[tier]) >= (-1 if old[tier] is None else old[tier])
                         for tier in ("hot_s", "warm_s"))
