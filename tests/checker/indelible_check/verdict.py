"""What can be wrong, and what a check comes to."""

# By weight: of several, the greatest names the verdict.
EXIT_CODES = {
    "clean": 0,
    "incomplete": 14,
    "unsupported": 4,
    "not authenticated": 12,
    "rolled back": 13,
    "damaged": 10,
    "forged": 11,
}
WEIGHTS = {name: weight for weight, name in enumerate(EXIT_CODES)}


class Fault(Exception):
    """One thing that is wrong, and of what class it is."""

    def __init__(self, verdict, what):
        super().__init__(what)
        self.verdict = verdict
        self.what = what


def damaged(what):
    return Fault("damaged", what)


def forged(what):
    return Fault("forged", what)


def need(condition, verdict, what):
    """Raises a fault where a condition does not hold."""
    if not condition:
        raise Fault(verdict, what)


class Report:
    """The faults that a check found, in its order, and what it established."""

    def __init__(self):
        self.faults = []
        self.facts = {}

    def add(self, fault, where=""):
        self.faults.append((fault.verdict, f"{where}: {fault.what}" if where else fault.what))

    @property
    def verdict(self):
        return max((verdict for verdict, _ in self.faults), key=WEIGHTS.get, default="clean")

    def as_json(self):
        findings = [{"class": verdict, "what": what} for verdict, what in self.faults]
        return {"verdict": self.verdict, "exit_code": EXIT_CODES[self.verdict], **self.facts, "findings": findings}
