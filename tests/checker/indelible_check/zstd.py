"""Unpacking zstd: by Python's own library from 3.14 on, before that by the system's libzstd, where there is one."""

import ctypes
import ctypes.util

from .verdict import Fault, need


def _library():
    try:
        from compression import zstd
        return lambda data, length: zstd.decompress(data)
    except ImportError:
        name = ctypes.util.find_library("zstd")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    library.ZSTD_isError.argtypes = [ctypes.c_size_t]

    def decompress(data, length):
        room = ctypes.create_string_buffer(max(length, 1))
        found = library.ZSTD_decompress(room, length, data, len(data))
        if library.ZSTD_isError(found):
            raise ValueError("zstd cannot unpack this")
        return room.raw[:found]
    return decompress


_decompress = _library()


def unpack(data, length):
    """What `data` unpacks to, which must have this length; more than that is never unpacked."""
    if _decompress is None:
        raise Fault("unsupported", "a pack: this Python has no zstd, and there is no libzstd")
    try:
        unpacked = _decompress(data, length)
    except Exception as error:  # Each library has errors of its own.
        raise Fault("damaged", f"a pack: {error}") from None
    need(len(unpacked) == length, "damaged", "the length of what a pack unpacks to")
    return unpacked
