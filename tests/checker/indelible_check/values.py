"""Canonical decimals, times and days (PROFILES.md, "To the letter")."""

import re
from datetime import date, timedelta

NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
NUMBER_LEN_MAX = 512
TIME = re.compile(rb"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
SCALES = {"epoch_s": 9, "epoch_ms": 6, "epoch_us": 3, "epoch_ns": 0}
NS_PER_DAY = 86_400 * 10**9
# What Unicode calls White_Space: Python's own idea of it has four control characters more.
SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200b)))


def is_number(text):
    return NUMBER.fullmatch(text) is not None


def canonical_number(text):
    """The canonical decimal of a JSON number, or None where that is too long."""
    sign = b"-" if text.startswith(b"-") else b""
    mantissa, _, exponent = text.lstrip(b"-").lower().partition(b"e")
    whole, _, fraction = mantissa.partition(b".")
    digits = (whole + fraction).lstrip(b"0")
    if not digits:
        return b"0"
    if len(exponent.lstrip(b"+-0")) > 10:
        return None
    point = len(digits) - len(fraction) + int(exponent or b"0")
    digits = digits.rstrip(b"0")
    if max(point, len(digits) - point) > NUMBER_LEN_MAX:
        return None
    if point <= 0:
        number = b"0." + b"0" * -point + digits
    elif point < len(digits):
        number = digits[:point] + b"." + digits[point:]
    else:
        number = digits + b"0" * (point - len(digits))
    return sign + number if len(sign + number) <= NUMBER_LEN_MAX else None


def _in_range(nanoseconds):
    return nanoseconds if -(1 << 63) <= nanoseconds < 1 << 63 else None


def rfc3339(text):
    """Nanoseconds since 1970 of a time with a zone, or None."""
    match = TIME.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = match.groups()[6:]
    if hour > 23 or minute > 59 or second > 60 or int(zone_hours or 0) > 23 or int(zone_minutes or 0) > 59:
        return None
    try:
        days = (date(year, month, day) - date(1970, 1, 1)).days
    except ValueError:
        return None
    zone = int(zone_hours or 0) * 3600 + int(zone_minutes or 0) * 60
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - (-zone if sign == b"-" else zone)
    return _in_range(seconds * 10**9 + int((fraction or b"")[:9].ljust(9, b"0")))


def epoch(text, form):
    """Nanoseconds since 1970 of a number that counts seconds, or parts of them; digits behind the nanosecond go."""
    number = canonical_number(text)
    if number is None:
        return None
    whole, _, fraction = number.lstrip(b"-").partition(b".")
    scale = SCALES[form]
    count = int(whole + fraction[:scale].ljust(scale, b"0"))
    return (-count if number.startswith(b"-") else count) if count < 1 << 63 else None


def day_of(nanoseconds):
    return (date(1970, 1, 1) + timedelta(days=nanoseconds // NS_PER_DAY)).isoformat().encode()


def show_time(time):
    """RFC 3339 in UTC, with as many digits behind the second as it takes."""
    seconds, fraction = divmod(time % NS_PER_DAY, 10**9)
    digits = f".{fraction:09}".rstrip("0") if fraction else ""
    return f"{day_of(time).decode()}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{digits}Z"
