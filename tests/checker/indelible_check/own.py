"""The store's own records (FORMAT.md, section 5): canonical JSON of known keys."""

import json

from .events import parse_json
from .verdict import forged, need

KEYS = {
    "store.created": ("forked_from", "format", "log_key", "origin", "retention", "store_id"),
    "store.sealed": ("end_seq", "first_seq", "index_root", "root", "rules"),
    "store.source": ("name", "profile"),
    "store.rules": ("name", "rules", "text", "version"),
    "store.mapping": ("name", "text", "version"),
    "store.pack": ("name", "text", "version"),
    "store.recovered": ("cut_at", "cut_len", "file", "kept_records", "lost"),
    "store.clock": ("step_ns",),
    "store.tier": ("end_seq", "first_seq", "log_len", "pack_len", "tier"),
    "store.key": ("approvals", "matter", "statement"),
    "store.key_retired": ("approvals", "matter", "statement"),
    "store.key_revoked": ("approvals", "matter", "statement"),
    "store.verified": (
        "checkpoint_size", "duration_ms", "findings", "full_count", "record_count", "root", "scope", "verdict", "version",
    ),
    "store.drilled": ("checkpoint_size", "seed", "tiers", "verdict", "version"),
    "store.policy": ("default", "rules", "text"),
    "store.hold": ("by", "conditions", "name", "reason", "ticket", "when"),
    "store.hold_released": ("approvals", "matter", "statement"),
    "store.operators": ("approvals", "matter", "statement"),
    "store.plan": ("approvals", "matter", "statement"),
    "store.deleting": ("delete", "first_seq", "index_root", "plan", "rules", "seqs", "spared"),
    "store.deleted": ("deleting", "first_seq"),
    "store.artifact": ("artifact", "len"),
    "store.collecting": ("artifacts", "bytes", "plan"),
}


OPTIONAL = {"store.tier": {"archive", "locked_until"}}


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
    need(kind in KEYS, "unsupported", f"a record of the store's own of kind {kind}")
    need(set(value) - OPTIONAL.get(kind, set()) == {"kind", *KEYS[kind]}, "forged", f"{kind}: keys")
    return value
