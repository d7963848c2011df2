"""Times, periods, durations and sizes as the language writes them (QUERY.md, "Time")."""

import re

from ..values import NS_PER_DAY, canonical_number, rfc3339

SECOND = 10**9
DURATIONS = {"y": 365 * NS_PER_DAY, "w": 7 * NS_PER_DAY, "d": NS_PER_DAY, "h": 3600 * SECOND, "m": 60 * SECOND,
             "s": SECOND, "ms": 10**6, "us": 10**3, "ns": 1}
SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
         "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
AMOUNT = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,9}))?([A-Za-z]+)")
PERIOD = re.compile(r"([0-9]{4})(?:-[Qq]([1-4])|-([0-9]{2})(?:-([0-9]{2}))?)?")
LIMIT = 1 << 127


def amount(match, units):
    """So many of a unit, where that is a whole number."""
    whole, fraction, unit = match.groups()
    if unit not in units:
        return None
    scaled = int(whole + (fraction or "")) * units[unit]
    count, rest = divmod(scaled, 10 ** len(fraction or ""))
    return None if rest or scaled >= LIMIT else count


def duration(text):
    """Nanoseconds of `90d` or `1h30m`; None where it is no duration. Each unit is smaller than the one before."""
    total, longest, at = 0, LIMIT, 0
    while at < len(text):
        match = AMOUNT.match(text, at)
        part = amount(match, DURATIONS) if match else None
        if part is None or DURATIONS[match[3]] >= longest:
            return None
        total, longest, at = total + part, DURATIONS[match[3]], match.end()
    return total if text and total < LIMIT else None


def size(text):
    match = AMOUNT.fullmatch(text)
    return amount(match, SIZES) if match else None


def midnight(year, month, day=1):
    return rfc3339(f"{year + (month - 1) // 12:04}-{(month - 1) % 12 + 1:02}-{day:02}T00:00:00Z".encode())


def period(text):
    """The first nanosecond of a period and the one behind its last; of a moment it is twice the same. None for neither."""
    if len(text.encode()) > 10:
        minutes, rest = text[:16], text[16:]
        seconds = "" if rest.startswith(":") else ":00"
        offset = "" if rest[-1:] in ("Z", "z") or "+" in rest or "-" in rest else "Z"
        moment = rfc3339((minutes + seconds + rest + offset).encode())
        return None if moment is None else (moment, moment)
    match = PERIOD.fullmatch(text)
    if not match:
        return None
    year, quarter, month, day = (part and int(part) for part in match.groups())
    if day is not None:
        start = midnight(year, month, day) if 1 <= month <= 12 else None
        end = None if start is None else start + NS_PER_DAY
    elif month is not None:
        start, end = (midnight(year, month), midnight(year, month + 1)) if 1 <= month <= 12 else (None, None)
    elif quarter is not None:
        start, end = midnight(year, quarter * 3 - 2), midnight(year, quarter * 3 + 1)
    else:
        start, end = midnight(year, 1), midnight(year, 13)
    return None if start is None or end is None or end >= 1 << 63 else (start, end)


def bound(order, found):
    """The comparison with one moment that means the same as this order with the whole period."""
    start, end = found
    if start != end and order == "less_or_equal":
        return "less", end
    if start != end and order == "greater":
        return "greater_or_equal", end
    return order, start


def before(now, ago):
    """The moment so long before; None where there is none."""
    return now - ago if -(1 << 63) <= now - ago < 1 << 63 else None


def bin_start(time, width):
    first = 4 * NS_PER_DAY if width % (7 * NS_PER_DAY) == 0 else 0
    return max((time - first) // width * width + first, -(1 << 63))


def in_seconds(nanoseconds):
    """A duration as a decimal of seconds."""
    sign = "-" if nanoseconds < 0 else ""
    whole, rest = divmod(abs(nanoseconds), SECOND)
    return canonical_number(f"{sign}{whole}.{rest:09}".encode()).decode()
