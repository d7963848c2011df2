"""What a bundle shows of one segment's index, and what follows from it (FORMAT-bundle.md, section 4; FORMAT.md, section 6)."""

from . import hashes
from .archive import read_leaf
from .merkle import _split
from .verdict import need

KEY_END = b"\xff" * 64 + b"\xff"
LEAF, SUBTREE, NODE, NODE_BY_LEAF = 0, 1, 2, 3


class ShownIndex:
    def __init__(self, cursor):
        self.sources = [cursor.number(8) for _ in range(cursor.number(2))]
        need(self.sources == sorted(set(self.sources)), "damaged", "the order of the sources in index.bin")
        self.leaf_count, self.tree_root = cursor.number(8), cursor.take(32)
        self.vocabularies = [cursor.text(1) for _ in range(cursor.number(2))]
        need(self.vocabularies == sorted(set(self.vocabularies), key=str.encode), "damaged", "vocabularies' order")
        self.leaves = [read_leaf(cursor) for _ in range(cursor.number(4))]
        self.steps = self._with_dividers([self._read_step(cursor) for _ in range(cursor.number(4))])
        self.spans = []  # (first key, key behind, leaf or None), ascending: what the proof says of each key
        self.by_term = {(leaf.name, leaf.term): leaf for leaf in self.leaves if leaf.name is not None}

    @staticmethod
    def _read_step(cursor):
        kind = cursor.number(1)
        need(kind <= NODE_BY_LEAF, "damaged", "a step of index.bin")
        return kind, cursor.take({LEAF: 0, SUBTREE: 32, NODE: 64, NODE_BY_LEAF: 0}[kind])

    def _with_dividers(self, steps):
        """The steps, each divider that follows from a leaf filled in."""
        place = sum(kind == LEAF for kind, _ in steps)
        keys = [leaf.data[:64] for leaf in self.leaves]
        begins = []  # From the end: with which shown leaf each subtree begins.
        for at in range(len(steps) - 1, -1, -1):
            kind, data = steps[at]
            if kind in (LEAF, SUBTREE):
                place -= kind == LEAF
                begins.append(keys[place] if kind == LEAF and place < len(keys) else None)
                continue
            left = begins.pop() if begins else None
            divider = begins.pop() if begins else None
            begins.append(left)
            follows = divider is not None and (kind == NODE_BY_LEAF or data == divider)
            need(follows == (kind == NODE_BY_LEAF), "damaged", "a divider of index.bin")
            steps[at] = NODE, divider if follows else data
        return steps

    def check(self, seal, profiles, stands):
        """That all this is of the index whose root and rules stand."""
        rules = hashes.index_rules("indelible-extract/1", [(one, profiles[one].digest) for one in self.sources])
        need(rules == stands[1], "forged", "index rules")
        count = seal["end_seq"] - seal["first_seq"]
        root = hashes.index_root(self.leaf_count, seal["first_seq"], count, rules, self.tree_root)
        need(root == stands[0], "forged", "index")
        self._steps, self._leaves = iter(self.steps), iter(self.leaves)
        found = hashes.index_empty() if self.leaf_count == 0 else self._walk(self.leaf_count, bytes(64), KEY_END)
        rest = next(self._steps, None) or next(self._leaves, None)
        need(found == self.tree_root and rest is None, "forged", "index")
        need(not any(leaf.is_false for leaf in self.leaves), "forged", "posting")
        for name in self.vocabularies:
            field = hashes.index_field(name)
            inside = [leaf for first, end, leaf in self.spans if first <= field + b"\xff" * 64 and end > field]
            shown = [leaf for leaf in self.leaves if leaf.data[:32] == field]
            complete = None not in inside and shown and all(leaf.name == name for leaf in shown)
            need(complete, "forged", "vocabulary")

    def _walk(self, count, first, end):
        """The root over `count` leaves whose keys lie from `first` up to `end`."""
        kind, data = next(self._steps, (None, b""))
        if kind == SUBTREE:
            self.spans.append((first, end, None))
            return data
        if kind == LEAF and count == 1:
            leaf = next(self._leaves, None)
            need(leaf and first <= leaf.data[:64] < end, "forged", "index")
            self.spans.append((first, end, leaf))
            return hashes.index_leaf(leaf.data)
        need(kind == NODE and count > 1 and first < data < end, "forged", "index")
        middle = _split(count)
        left = self._walk(middle, first, data)
        return hashes.index_node(left, self._walk(count - middle, data, end), data)

    def posting(self, name, kind, term):
        """The offsets of a term's records; None where they are not known."""
        leaf = self.by_term.get((name, (kind, term)))
        if leaf:
            return leaf.posting
        key = hashes.index_field(name) + hashes.index_term(kind, term)
        covering = [leaf for first, end, leaf in self.spans if first <= key < end]
        absent = self.leaf_count == 0 or covering and covering[0] is not None and covering[0].data[:64] != key
        return frozenset() if absent else None

    def vocabulary(self, name):
        """All terms of a field, reserved ones aside; None where they are not shown."""
        if name not in self.vocabularies:
            return None
        return [leaf.term for leaf in self.leaves if leaf.name == name and leaf.term[0] != 0]
