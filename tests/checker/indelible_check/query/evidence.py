"""What is evidence of the controls that a query asks for: labels, the events' own words, the mapping (CONTROLS.md)."""

from ..controls import normalise
from ..filters import glob
from .conditions import both, is_glob
from .tokens import WORD, NoQuery

NO_CONTROLS = ("rules:", "masked:")


def one_of(name, values):
    return {"field": [{"name": name}, {"equals": values}]}


class Evidence:
    """By what something is evidence of one of several controls."""

    def __init__(self):
        self.values, self.mapped = [], []  # (name of a rule, its filter)

    @staticmethod
    def of(operands, controls):
        evidence = Evidence()
        for operand in operands:
            evidence.add(operand, controls)
        return evidence

    def add(self, operand, controls):
        id_ = normalise(operand.text)
        if operand.kind == WORD and is_glob(id_):
            for control in controls.catalogue.controls:
                if glob(id_, control.id):
                    self.map(controls.rules_of(control.id))
            self.values.append({"word": id_})
            return
        # Evidence of a part is evidence of the whole.
        family = controls.family(operand.text)
        if family:
            self.map(controls.rules_of(family[0]))
        self.values += [{"text": one} for one in family + [id_] * (id_ not in family)]

    def map(self, rules):
        self.mapped += [rule for place, rule in enumerate(rules)
                        if rule not in self.mapped and rule not in rules[:place]]

    @property
    def label(self):
        return one_of("label", self.values)

    @property
    def event(self):
        return one_of("control", self.values)

    def filter(self):
        mapped = []
        for _, filter_ in self.mapped:
            mapped += [filter_] * (filter_ not in mapped)
        return {"any": [self.label, self.event, {"any": mapped}]}


class Wanted:
    """The controls of the catalogue, or of one framework, and which records are evidence of each."""

    def __init__(self, framework, controls, within):
        self.framework = None if framework is None else normalise(f"{framework}:1").partition(":")[0]
        catalogue = controls.catalogue.controls
        self.controls = [one for one in catalogue if self.framework in (None, one.framework)]
        if framework is not None and not self.controls:
            raise NoQuery(f"there is no framework {framework}")
        self.within = within
        self.mapped = []  # (filter, places of controls)
        self.ids = {}  # id -> places of controls
        for place, control in enumerate(self.controls):
            for id_ in controls.family(control.id):
                self.ids.setdefault(id_, []).append(place)
            for _, filter_ in controls.rules_of(control.id):
                places = next((places for known, places in self.mapped if known == filter_), None)
                if places is None:
                    self.mapped.append((filter_, [place]))
                elif places[-1] != place:
                    places.append(place)

    def filter(self):
        ids = [{"word": f"{self.framework or '*'}:*"}]
        parts = [filter_ for filter_, _ in self.mapped] + [one_of(name, ids) for name in ("label", "control")]
        return both({"any": parts}, self.within)

    def is_counted(self, id_):
        """Whether an id that a label or an event has is that of a control that is asked for."""
        framework, colon, _ = id_.partition(":")
        is_control = colon and self.framework in (None, framework) and not id_.startswith(NO_CONTROLS)
        return is_control or id_ in self.ids
