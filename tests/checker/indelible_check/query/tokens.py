"""From a query's text to tokens (QUERY.md, "Grammar" and "To the letter")."""

import re
from dataclasses import dataclass

from ..values import SPACES

WORD, TEXT, PARAMETER, MARK = "word", "text", "parameter", "mark"
QUERY_LEN_MAX = 64 << 10
NESTING_MAX = 40
CONTROLS = "\x00-\x1f\x7f-\x9f"
NOT_PLAIN = CONTROLS + re.escape(SPACES) + re.escape('(),|=!<>~"\u201c\u201d')
QUOTED = r'"(?:\\.|[^"\\])*"'
TOKEN = re.compile("|".join((
    r"(?P<mark>!=|<=|>=|[(),|=<>~])",
    f"(?P<text>{QUOTED})",
    r"(?P<parameter>\$[A-Za-z_][A-Za-z0-9_]*)",
    rf"(?P<word>(?![$'])(?:\.{QUOTED}|[^.{NOT_PLAIN}]+|\.(?!\"))+)",
)), re.DOTALL)
SKIPPED = re.compile(f"(?:[{re.escape(SPACES)}]|#[^\n]*)*")


class NoQuery(ValueError):
    """A text that is no query, or one that makes no sense."""


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


def is_plain(char):
    return re.fullmatch(f"[^{NOT_PLAIN}]", char) is not None


def tokens(text):
    if len(text.encode()) > QUERY_LEN_MAX:
        raise NoQuery("a query that is too long")
    found, depth = [], 0
    at = SKIPPED.match(text).end()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise NoQuery(f"no token begins with {text[at:at + 9]!r}")
        token = Token(match.lastgroup, match.group(), at, match.end())
        found.append(token)
        depth = depth + 1 if token.text == "(" else max(depth - 1, 0) if token.text == ")" else depth
        if depth > NESTING_MAX:
            raise NoQuery("parentheses that are nested too deep")
        at = SKIPPED.match(text, match.end()).end()
    return found
