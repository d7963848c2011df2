"""What a name says that it counts: the last word of it (QUERY.md, "Filters")."""

DURATION_ENDINGS = {ending: unit for endings, unit in (
    ("ns nanos nanoseconds", 1), ("us micros microseconds", 10**3), ("ms millis milliseconds", 10**6),
    ("s sec secs seconds", 10**9), ("min mins minutes", 60 * 10**9), ("h hours", 3600 * 10**9),
    ("d days", 86_400 * 10**9)) for ending in endings.split()}
SIZE_ENDINGS = {"bytes": 1, "len": 1, "kb": 10**3, "kib": 1 << 10, "mb": 10**6, "mib": 1 << 20}
UNITS = {*DURATION_ENDINGS, *SIZE_ENDINGS}


def ending(name):
    """The last word of a name, in lower case; of a name of one word nothing."""
    name = name.rstrip('"[]')
    behind = max(name.rfind(mark) for mark in "_.-") + 1
    word = name[behind:]
    capital = max((at for at, char in enumerate(word) if "A" <= char <= "Z"), default=0)
    capital = 0 if all("A" <= char <= "Z" for char in word) else capital
    return "" if behind == 0 and capital == 0 else word[capital:].lower()
