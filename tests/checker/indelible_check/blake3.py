"""BLAKE3, as its paper of 2020 describes it: hashing, keyed hashing, and deriving keys."""

import struct

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
KEYED_HASH, DERIVE_KEY_CONTEXT, DERIVE_KEY_MATERIAL = 16, 32, 64
BLOCK_LEN, CHUNK_LEN = 64, 1024
MASK = 0xFFFFFFFF

# The columns and then the diagonals that each round mixes.
MIXES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def _compression_source():
    """The compression function written out round by round: as loops over lists it takes three times as long."""
    lines = ["def compress(chaining, block, counter, length, flags):",
             "    " + ",".join(f"m{i}" for i in range(16)) + " = block",
             "    " + ",".join(f"v{i}" for i in range(8)) + " = chaining",
             f"    v8,v9,v10,v11 = {IV[:4]}",
             "    v12, v13, v14, v15 = counter & MASK, counter >> 32, length, flags"]
    order = list(range(16))
    for _ in range(7):
        for index, (a, b, c, d) in enumerate(MIXES):
            for word, right, left in ((order[2 * index], 16, 12), (order[2 * index + 1], 8, 7)):
                lines += [f"    v{a} = (v{a} + v{b} + m{word}) & MASK",
                          f"    v{d} ^= v{a}; v{d} = v{d} >> {right} | v{d} << {32 - right} & MASK",
                          f"    v{c} = (v{c} + v{d}) & MASK",
                          f"    v{b} ^= v{c}; v{b} = v{b} >> {left} | v{b} << {32 - left} & MASK"]
        order = [order[place] for place in PERMUTATION]
    lines.append("    return (" + ",".join(f"v{i} ^ v{i + 8}" for i in range(8)) + ")")
    return "\n".join(lines)


exec(_compression_source())


def _words(block):
    return struct.unpack("<16I", block.ljust(BLOCK_LEN, b"\0"))


class _Output:
    """What a chunk or a parent comes to, before it is known whether it is the root."""

    def __init__(self, chaining, block, counter, length, flags):
        self.inputs = chaining, block, counter, length, flags

    def chaining(self):
        return compress(*self.inputs)

    def root(self):
        chaining, block, _, length, flags = self.inputs
        return struct.pack("<8I", *compress(chaining, block, 0, length, flags | ROOT))


def _chunk(key, data, counter, flags):
    chaining = key
    starts = range(0, max(len(data), 1), BLOCK_LEN)
    for start in starts:
        block = data[start:start + BLOCK_LEN]
        extra = (CHUNK_START if start == 0 else 0) | (CHUNK_END if start == starts[-1] else 0)
        output = _Output(chaining, _words(block), counter, len(block), flags | extra)
        if start != starts[-1]:
            chaining = output.chaining()
    return output


def _tree(key, data, first_chunk, flags):
    """The output over `data`: its left part is the largest power of two of chunks that leaves something right."""
    chunks = max((len(data) + CHUNK_LEN - 1) // CHUNK_LEN, 1)
    if chunks == 1:
        return _chunk(key, data, first_chunk, flags)
    left = 1 << (chunks - 1).bit_length() - 1
    parts = (_tree(key, data[:left * CHUNK_LEN], first_chunk, flags),
             _tree(key, data[left * CHUNK_LEN:], first_chunk + left, flags))
    return _Output(key, parts[0].chaining() + parts[1].chaining(), 0, BLOCK_LEN, flags | PARENT)


def blake3(data):
    return _tree(IV, data, 0, 0).root()


def keyed(key, data):
    return _tree(struct.unpack("<8I", key), data, 0, KEYED_HASH).root()


def derive_key(context, material=b""):
    inner = _tree(IV, context.encode(), 0, DERIVE_KEY_CONTEXT).root()
    return _tree(struct.unpack("<8I", inner), material, 0, DERIVE_KEY_MATERIAL).root()
