#!/usr/bin/env python3
"""Runs foreign vectors through the checker's own foundations: `vectors.py WYCHEPROOF BLAKE3 MERKLE_FOLDER`."""

import base64
import json
import os
import sys

from indelible_check import blake3, ed25519
from indelible_check.merkle import root_by_inclusion, roots_by_consistency


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def signatures(path):
    """Wycheproof: each valid signature verifies, and no other."""
    count = 0
    for group in read(path)["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            verdict = ed25519.verify(public, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
            assert verdict == (test["result"] == "valid"), test
            count += 1
    return count


def small_keys():
    """Every canonical point of small order is refused as a key: those whose order divides 8."""
    point = next(point for y in range(2, 100)
                 if (point := ed25519.decode(y.to_bytes(32, "little"))) is not None)
    torsion = ed25519.multiply(ed25519.ORDER, point)
    small = {ed25519.encode(ed25519.multiply(times, torsion)) for times in range(8)}
    assert small and not any(ed25519.is_good_key(public) for public in small)
    assert ed25519.is_good_key(ed25519.encode(ed25519.BASE))


def hashes(path):
    cases = read(path)
    for case in cases["cases"]:
        data = bytes(index % 251 for index in range(case["input_len"]))
        assert blake3.blake3(data).hex() == case["hash"], case["input_len"]
        assert blake3.keyed(cases["key"].encode(), data).hex() == case["keyed_hash"], case["input_len"]
        assert blake3.derive_key(cases["context_string"], data).hex() == case["derive_key"], case["input_len"]
    return len(cases["cases"])


def proofs(folder):
    def hashes_of(vector):
        return [base64.b64decode(one) for one in vector["proof"] or []]

    count = 0
    for vector in (one["vector"] for one in read(os.path.join(folder, "inclusion.json"))):
        index, size, leaf = vector["leafIdx"], vector["treeSize"], base64.b64decode(vector["leafHash"])
        root = root_by_inclusion(index, size, leaf, hashes_of(vector)) if index < size and len(leaf) == 32 else None
        assert (root == base64.b64decode(vector["root"])) != vector["wantErr"], vector
        count += 1
    for vector in (one["vector"] for one in read(os.path.join(folder, "consistency.json"))):
        sizes = vector["size1"], vector["size2"]
        roots = tuple(base64.b64decode(vector[root] or "") for root in ("root1", "root2"))
        is_sound = sizes[0] <= sizes[1] and all(len(root) == 32 for root in roots)
        found = roots_by_consistency(*sizes, roots[0], hashes_of(vector)) if is_sound else None
        assert (found == roots) != vector["wantErr"], vector
        count += 1
    return count


def main():
    wycheproof, blake, merkle = sys.argv[1:]
    small_keys()
    print(f"{signatures(wycheproof)} signatures, {hashes(blake)} hashes, {proofs(merkle)} proofs")


if __name__ == "__main__":
    main()
