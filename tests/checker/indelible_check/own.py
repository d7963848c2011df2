"""The store's own records (FORMAT.md, section 5): canonical JSON of a known form."""

import json

from .events import parse_json
from .verdict import Fault, forged, need



def number(value, bits=64):
    return type(value) is int and 0 <= value < 1 << bits


def signed(value):
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def text(value):
    return isinstance(value, str)


def anything(_value):
    return True


def or_null(form):
    return lambda value: value is None or form(value)


def list_of(form):
    return lambda value: isinstance(value, list) and all(map(form, value))


def members(optional=(), **forms):
    """An object of these keys, of which some may be missing."""
    def has_form(value):
        is_object = isinstance(value, dict) and set(forms) - set(optional) <= set(value) <= set(forms)
        return is_object and all(forms[name](member) for name, member in value.items())
    return has_form


def seqs(value):
    return isinstance(value, list) and len(value) == 2 and all(map(number, value))


ACTIONS = ("delete", "release-hold", "set-operators", "rotate-key", "retire-key", "revoke-key")
DOCUMENT = {"name": text, "text": text, "version": text}
TALLY = members(bytes=number, events=number)
TERMS = members(hot_s=or_null(number), keep_s=or_null(number), warm_s=or_null(number))
REASONED = list_of(members(name=text, seq=number, tally=TALLY))
STATEMENT = members(action=ACTIONS.__contains__, as_of=signed, digest=text, expires=signed, origin=text, root=text,
                    store_id=text, tree_size=number)


def approved(**matter):
    approvals = list_of(members(key=text, signature=text))
    return {"approvals": approvals, "matter": members(**matter), "statement": STATEMENT}


FORMS = {
    "store.created": {"forked_from": or_null(text), "format": lambda value: number(value, 16), "log_key": or_null(text),
                      "origin": text, "retention": text, "store_id": text},
    "store.sealed": {"end_seq": number, "first_seq": number, "index_root": text, "root": text, "rules": text},
    "store.source": {"name": text, "profile": text},
    "store.rules": DOCUMENT | {"rules": list_of(members(labels=list_of(text), when=anything))},
    "store.mapping": DOCUMENT,
    "store.pack": DOCUMENT,
    "store.recovered": {"cut_at": number, "cut_len": number, "file": text, "kept_records": number, "lost": or_null(text)},
    "store.clock": {"step_ns": signed},
    "store.tier": {"archive": text, "end_seq": number, "first_seq": number, "locked_until": signed, "log_len": number,
                   "pack_len": number, "tier": text},
    "store.key": approved(**{"from": text, "to": text}),
    "store.key_retired": approved(key=text),
    "store.key_revoked": approved(key=text, reason=text, size=number),
    "store.verified": {
        "checkpoint_size": or_null(number), "duration_ms": number, "full_count": number, "record_count": number,
        "findings": lambda value: isinstance(value, dict) and all(map(number, value.values())),
        "root": or_null(text), "scope": text, "verdict": text, "version": text},
    "store.drilled": {
        "checkpoint_size": number, "seed": text, "verdict": text, "version": text,
        "tiers": list_of(members(drawn_count=number, failed_count=number, longest_us=number, record_count=number,
                                 tier=text, took_us=number))},
    "store.policy": {
        "default": TERMS, "text": text,
        "rules": list_of(members(basis=text, conditions=text, locked=lambda value: isinstance(value, bool), name=text,
                                 terms=TERMS, when=anything))},
    "store.hold": {"by": text, "conditions": text, "name": text, "reason": text, "ticket": text, "when": anything},
    "store.hold_released": approved(by=text, hold=number, name=text, reason=text),
    "store.operators": approved(keys=list_of(text), replaces=number, threshold=lambda value: number(value, 32)),
    "store.plan": approved(
        artifacts=list_of(members(artifact=text, bytes=number)), delete=TALLY, held=REASONED,
        locked=list_of(members(archive=text, first_seq=number, tally=TALLY, until=signed)),
        more=lambda value: isinstance(value, bool),
        moves=list_of(members(bytes=number, end_seq=number, first_seq=number, rule=text, seq=number, tier=text)),
        reason=text, rules=REASONED, segments=list_of(members(first_seq=number, seqs=list_of(seqs)))),
    "store.deleting": {"delete": TALLY, "first_seq": number, "index_root": text, "plan": number, "rules": text,
                       "seqs": list_of(seqs), "spared": TALLY},
    "store.deleted": {"deleting": number, "first_seq": number},
    "store.artifact": {"artifact": text, "len": number},
    "store.collecting": {"artifacts": list_of(text), "bytes": number, "plan": number},
}
OPTIONAL = {"store.tier": ("archive", "locked_until")}


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hex_hash(text):
    """The 32 bytes of 64 lower-case hex digits; else a ValueError."""
    if len(text) != 64 or text != text.lower():
        raise ValueError("not 64 hex digits")
    return bytes.fromhex(text)


def decode(body):
    """The record's keys and values."""
    try:
        parse_json(body)
        value = json.loads(body)
        if not isinstance(value, dict) or canonical(value) != body:
            raise ValueError("not canonical JSON")
    except ValueError as error:
        raise forged(f"a record of the store's own: {error}") from None
    kind = value.get("kind")
    is_own = isinstance(kind, str) and kind.startswith("store.")
    need(is_own, "forged", "a record of the store's own that has no such kind")
    need(kind in FORMS, "unsupported", f"a record of the store's own of kind {kind}")
    has_form = members(OPTIONAL.get(kind, ()), **FORMS[kind])
    need(has_form({name: member for name, member in value.items() if name != "kind"}), "forged", f"{kind}: its form")
    return value


def decode_known(body):
    """The same; None of a kind that is not known."""
    try:
        return decode(body)
    except Fault as fault:
        if fault.verdict != "unsupported":
            raise
        return None
