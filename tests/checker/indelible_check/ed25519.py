"""Strict verification of Ed25519 signatures, RFC 8032 section 5.1.7.

Strict: S is below the group's order, both points are encoded in the one canonical way, neither is of small order, and
the equation is checked without the cofactor, so that no two verifiers can differ over a signature.
"""

import hashlib
from functools import lru_cache

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def add(a, b):
    """Adds points in extended coordinates (X, Y, Z, T), x = X/Z, y = Y/Z, xy = T/Z."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    low, high = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    cross, scale = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = high - low, scale - cross, scale + cross, high + low
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    result = IDENTITY
    for bit in bin(scalar)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def encode(point):
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    return (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")


def decode(data):
    """The point that 32 bytes encode, or None where they are not the canonical encoding of one."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if len(data) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def is_small(point):
    x, y, z, _ = multiply(8, point)
    return x % P == 0 and (y - z) % P == 0


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def is_good_key(public):
    point = decode(public)
    return point is not None and not is_small(point)


@lru_cache(4096)
def verify(public, message, signature):
    """Whether `signature` is that of `message` by the key `public`."""
    if len(signature) != 64:
        return False
    key, commitment = decode(public), decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER or is_small(key) or is_small(commitment):
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    negative = (P - key[0], key[1], key[2], P - key[3])
    return encode(add(multiply(scalar, BASE), multiply(challenge, negative))) == signature[:32]
