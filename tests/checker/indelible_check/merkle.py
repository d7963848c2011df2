"""The log's tree, RFC 6962: leaves, nodes, roots, and both kinds of proof."""

import hashlib


def leaf_hash(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The roots of the perfect subtrees over the leaves so far, largest first."""

    def __init__(self):
        self.size = 0
        self.roots = []

    def push(self, leaf):
        self.push_node(0, leaf)

    def push_node(self, level, root):
        """Pushes the root of a perfect subtree over 2^level leaves, which stands where the size is a multiple of that."""
        size = self.size >> level
        while size & 1:
            root = node_hash(self.roots.pop(), root)
            size >>= 1
        self.roots.append(root)
        self.size += 1 << level

    def root(self):
        if not self.roots:
            return hashlib.sha256(b"").digest()
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves):
    frontier = Frontier()
    for leaf in leaves:
        frontier.push(leaf)
    return frontier.root()


def _split(size):
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def root_by_inclusion(index, size, leaf, proof):
    """The root that an inclusion proof (section 2.1.1) leads to; None where it has too few or too many hashes."""
    turns = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        turns.append(index >= middle)
        start, end = (middle, end) if index >= middle else (start, middle)
    if len(proof) != len(turns):
        return None
    root = leaf
    for is_right, sibling in zip(reversed(turns), proof):
        root = node_hash(sibling, root) if is_right else node_hash(root, sibling)
    return root


def roots_by_consistency(old_size, new_size, old_root, proof):
    """The two roots that a consistency proof (section 2.1.2) leads to; None where its length is wrong."""
    if old_size == new_size:
        return (old_root, old_root) if not proof else None
    if old_size == 0:
        return None
    # From the root down to the subtree that ends where the old tree ends: at each turn, which side is the sibling.
    turns = []
    start, end = 0, new_size
    while end != old_size:
        middle = start + _split(end - start)
        goes_right = old_size > middle
        turns.append(goes_right)
        start, end = (middle, end) if goes_right else (start, middle)
    hashes = list(proof)
    if len(hashes) != len(turns) + (start != 0):
        return None
    seed = old_root if start == 0 else hashes.pop(0)
    old = new = seed
    for goes_right, sibling in zip(reversed(turns), hashes):
        if goes_right:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    return old, new
