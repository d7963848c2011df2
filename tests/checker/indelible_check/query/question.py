"""A bundle's question and answer, read and made anew (FORMAT-bundle.md, section 12)."""

import json

from .. import own
from ..values import rfc3339, show_time
from ..verdict import damaged, forged, need
from . import tree
from .answer import answer
from .catalogue import Controls, NoControls
from .grammar import parse
from .names import Vocabulary
from .plan import Plan, bound, settled
from .tokens import NoQuery

FORMAT = 0
KEYS = {"all", "controls", "format", "means", "now", "parameters", "query"}
CONTROLS = ("store.mapping", "store.pack")


def members_once(pairs):
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key is there twice")
    return members


def is_text(value):
    return isinstance(value, str)


def read_question(data):
    """The member `query.json`."""
    try:
        text = data.decode()
        found = json.loads(text, object_pairs_hook=members_once)
        own.canonical(found)
        sound = set(found) == KEYS and type(found["all"]) is bool and type(found["format"]) is int
        texts = [found[name] for name in ("means", "now", "query")] + [*found["parameters"].values()]
        controls = found["controls"]
        if controls is not None:
            sound = sound and set(controls) == {"mapping", "packs"}
            texts += [controls["mapping"], *controls["packs"]]
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise damaged(f"query.json: {error!r}") from None
    need(sound and all(map(is_text, texts)), "damaged", "the keys or values of query.json")
    need(found["format"] == FORMAT, "unsupported", f"query format {found['format']}")
    need(rfc3339(found["now"].encode()) is not None, "damaged", "the present time of query.json")
    return found


class Registered:
    """What the log registered, as far as its records are here."""

    def __init__(self, events):
        self.profiles, packs, self.mapping = [], {}, None
        known = (own.decode_known(event.record.body) for event in events if not event.record.source)
        for value in filter(None, known):
            if value["kind"] == "store.source":
                self.profiles.append(value["profile"])
            elif value["kind"] == "store.pack":
                packs.pop(value["name"], None)
                packs[value["name"]] = value["text"]
            elif value["kind"] == "store.mapping":
                self.mapping = value["text"]
        self.packs = list(packs.values())

    def controls(self, texts):
        """The controls that a question brings along; what was registered must be among them."""
        need(texts is not None, "damaged", "a question about controls without any")
        need(self.mapping in (None, texts["mapping"]), "forged", "another mapping than the log registered")
        need(set(self.packs) <= set(texts["packs"]), "forged", "other packs than the log registered")
        # What ships speaks of the well-known names alone.
        return Controls(texts["packs"], texts["mapping"], [] if self.mapping is None else self.profiles)


def registering(asks):
    """The records by which the names of a query mean what they mean."""
    kinds = ["store.source"] + [*CONTROLS] * asks
    test = {"equals": [{"text": kind} for kind in kinds]}
    return {"all": ["store_record", {"field": [{"name": "kind"}, test]}]}


def plan_of(query, question, registered):
    """What a query does, by the names that the log registered."""
    if query.explain:
        raise NoQuery("an explanation is no evidence")
    if tree.parameters_of(query) != set(question["parameters"]):
        raise NoQuery("other parameters than those that the query has")
    asks = query.head.word in ("control", "controls")
    controls = registered.controls(question["controls"]) if asks else NoControls()
    now = rfc3339(question["now"].encode())
    return Plan(bound(query, question["parameters"]), Vocabulary(registered.profiles), controls, now, question["all"])


def check_question(members, filters, events):
    """That a question puts these filters to the log, and that the answer is its answer over these records."""
    question = read_question(members["query.json"])
    registered = Registered(events)
    try:
        query = parse(question["query"])
        plan = plan_of(query, question, registered)
    except NoQuery as error:
        raise forged(f"query.json makes no sense: {error}") from None
    asks = query.head.word in ("control", "controls")
    need(plan.filters() + [registering(asks)] == filters, "forged", "the filters are those of another question")
    now = rfc3339(question["now"].encode())
    expected = question | {"means": str(settled(query, now, question["parameters"])), "now": show_time(now),
                           "controls": question["controls"] if asks else None}
    need(own.canonical(expected) + b"\n" == members["query.json"], "forged", "query.json is not what the question makes")
    need(answer(plan, events) == members["answer.jsonl"], "forged", "answer.jsonl is not the answer to the question")


def ask(question, events):
    """The answer to a question over all records of a log; NoQuery where it makes no sense."""
    registered = Registered(events)
    return answer(plan_of(parse(question["query"]), question, registered), events)
