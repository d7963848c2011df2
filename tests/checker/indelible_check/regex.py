"""Regular expressions in time linear in the text (QUERY.md, "Regular expressions").

Those are known of which no two engines differ: characters, `.`, classes, groups, alternatives, repetitions, `^`, `$`, `\\b`
and the flags `i`, `m` and `s` in front; with `i` an expression of ASCII alone. Of all others it is said that they are not
known here, and so of characters that Python's version of Unicode does not know.
"""

import unicodedata
from functools import lru_cache

from .values import SPACES
from .verdict import Fault

LETTERS = frozenset(map(ord, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
# What beyond ASCII is an ASCII letter, case aside: the Kelvin sign and the long s.
FOLDED = {0x212A: ord("k"), 0x17F: ord("s")}
# Alphabetic by Unicode without being letters or marks.
ALPHABETIC = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
PUNCTUATION = "\\.+*?()|[]{}^$#&-~/\"'%,:;<=>@!_` "
REPEAT_MAX = 1000
STATES_MAX = 20_000
DEPTH_MAX = 40


class NoExpression(ValueError):
    """A text that is no regular expression to anybody."""


def unknown(pattern):
    return Fault("unsupported", f"a regular expression that this checker does not know: {pattern}")


def category(code):
    found = unicodedata.category(chr(code))
    if found == "Cn":
        raise LookupError  # Another version of Unicode may know it.
    return found


def is_word(code):
    found = category(code)
    joins = code in (0x200C, 0x200D) or found in ("Nd", "Nl", "Pc")
    return joins or found[0] in "LM" or any(low <= code <= high for low, high in ALPHABETIC)


NAMED = {"d": lambda code: category(code) == "Nd", "w": is_word, "s": lambda code: chr(code) in SPACES}


class Chars:
    """A set of characters: ranges, and classes that Unicode knows, each with whether all others are meant."""

    def __init__(self, ranges=(), classes=(), is_negated=False, folds=False):
        self.ranges, self.classes, self.is_negated, self.folds = ranges, classes, is_negated, folds

    def has(self, code):
        return self.has_plainly(code) != self.is_negated

    def has_plainly(self, code):
        codes = {code}
        if self.folds:
            code = FOLDED.get(code, code)
            codes |= {code, code ^ 32} if code in LETTERS else set()
        is_in_range = any(low <= one <= high for low, high in self.ranges for one in codes)
        return is_in_range or any(NAMED[name](code) != is_other for name, is_other in self.classes)


class Parser:
    """Makes states of an expression: each is (kind, what, next states)."""

    def __init__(self, pattern):
        self.pattern, self.at, self.states, self.depth = pattern, 0, [], 0
        self.folds = self.lines = self.dot_all = False

    def fail(self):
        raise unknown(self.pattern)

    def refuse(self):
        raise NoExpression(f"no regular expression: {self.pattern}")

    def run(self):
        if self.pattern.startswith("(?") and self.pattern[2:3] in tuple("ims"):
            flags, colon, _ = self.pattern[2:].partition(")")
            if not colon or set(flags) - set("ims") or len(set(flags)) < len(flags):
                self.fail()
            self.folds, self.lines, self.dot_all = ("i" in flags, "m" in flags, "s" in flags)
            self.at = 3 + len(flags)
        if self.folds and not self.pattern.isascii():
            self.fail()
        end = self.state("end", None, ())
        start = self.alternatives(end)
        if self.at < len(self.pattern):
            self.refuse()
        return start

    def state(self, kind, what, following):
        if len(self.states) >= STATES_MAX:
            self.fail()
        self.states.append((kind, what, following))
        return len(self.states) - 1

    def peek(self):
        return self.pattern[self.at:self.at + 1]

    def take(self):
        char = self.peek()
        if not char:
            self.refuse()
        self.at += 1
        return char

    # A piece is a function from the state behind it to the one that it begins with; so it can be made as often as needed.

    def alternatives(self, end):
        return self.tree_of_alternatives()(end)

    def tree_of_alternatives(self):
        branches = [self.row()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.row())
        if len(branches) == 1:
            return branches[0]
        return lambda end: self.state("fork", None, tuple(branch(end) for branch in branches))

    def row(self):
        pieces = []
        while self.peek() not in ("", "|", ")"):
            pieces.append(self.repeated(self.piece()))

        def build(end):
            for piece in reversed(pieces):
                end = piece(end)
            return end
        return build

    def repeated(self, piece):
        while self.peek() in ("*", "+", "?", "{") and self.peek():
            low, high = self.counts()
            if self.peek() == "?":
                self.at += 1  # Which of several matches is found makes no difference to whether there is one.
            piece = self.times(piece, low, high)
        return piece

    def counts(self):
        mark = self.take()
        if mark != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[mark]
        inside, close, _ = self.pattern[self.at:].partition("}")
        low, comma, high = inside.partition(",")
        numbers = [low] + ([high] if high else [])
        if not close or not all(number.isascii() and number.isdigit() for number in numbers):
            self.fail()
        self.at += len(inside) + 1
        low = int(low)
        high = int(high) if high else None if comma else low
        if low > REPEAT_MAX or high is not None and not low <= high <= REPEAT_MAX:
            self.fail()
        return low, high

    def times(self, piece, low, high):
        def build(end):
            if high is None:
                loop = self.state("fork", None, ())
                self.states[loop] = ("fork", None, (piece(loop), end))
                end = loop
            else:
                behind = end
                for _ in range(high - low):
                    end = self.state("fork", None, (piece(end), behind))
            for _ in range(low):
                end = piece(end)
            return end
        return build

    def piece(self):
        char = self.take()
        if char == "(":
            return self.group()
        if char == "[":
            return self.one(self.brackets())
        if char == ".":
            return self.one(Chars([] if self.dot_all else [(10, 10)], is_negated=True))
        if char in "^$":
            kind = {"^": "line start", "$": "line end"} if self.lines else {"^": "start", "$": "stop"}
            return self.condition(kind[char])
        if char == "\\":
            return self.escape()
        if char in "*+?":
            self.refuse()
        if char in "{}]":
            self.fail()
        return self.one(self.literal(char))

    def literal(self, char):
        return Chars([(ord(char), ord(char))], folds=self.folds)

    def group(self):
        self.depth += 1
        if self.depth > DEPTH_MAX:
            self.fail()
        if self.peek() == "?":
            self.at += 1
            if self.take() != ":":
                self.fail()
        inside = self.tree_of_alternatives()
        self.take()  # Only a parenthesis ends it before the end does.
        self.depth -= 1
        return inside

    def one(self, chars):
        return lambda end: self.state("one", chars, (end,))

    def condition(self, what):
        return lambda end: self.state("if", what, (end,))

    def escape(self):
        char = self.take()
        if char.lower() in NAMED:
            return self.one(Chars(classes=[self.named(char)]))
        if char in "bB":
            return self.condition("edge" if char == "b" else "no edge")
        if char in "Az":
            return self.condition("start" if char == "A" else "stop")
        return self.one(self.literal(self.escaped(char)))

    def escaped(self, char):
        if char not in PUNCTUATION and char not in ESCAPES or char in "<> \"'%,:;=@!_`/":
            self.fail()
        return ESCAPES.get(char, char)

    @staticmethod
    def named(char):
        return char.lower(), char.isupper()

    def brackets(self):
        is_negated = self.peek() == "^"
        self.at += is_negated
        ranges, classes = [], []
        while self.peek() != "]" or not ranges + classes:
            low = self.member()
            if isinstance(low, tuple):
                classes.append(low)
                continue
            high = low
            if self.peek() == "-" and self.pattern[self.at + 1:self.at + 2] != "]":
                self.at += 1
                high = self.member()
                if isinstance(high, tuple) or high < low:
                    self.refuse()
            ranges.append((low, high))
        self.at += 1
        return Chars(ranges, classes, is_negated, self.folds)

    def member(self):
        char = self.take()
        if char == "\\":
            char = self.take()
            if char.lower() in NAMED:
                return self.named(char)
            return ord(self.escaped(char))
        # Classes within classes, and what one class has and another has not, are another matter.
        if char in "[]" or char in "&-~" and self.peek() == char:
            self.fail()
        return ord(char)


class Regex:
    def __init__(self, pattern):
        self.pattern = pattern
        parser = Parser(pattern)
        self.start = parser.run()
        self.states = parser.states
        self.steps = {}

    def is_in(self, text):
        """Whether it matches somewhere in the text."""
        found = frozenset()
        before = None
        try:
            for at in range(len(text) + 1):
                here = ord(text[at]) if at < len(text) else None
                found = self.step(found, before, here)
                if found is None:
                    return True
                before = here
        except LookupError:
            raise unknown(self.pattern) from None
        return False

    def step(self, found, before, here):
        """The states behind the character `here`, from those before it and the start; None where it has matched."""
        key = found, before, here
        if key not in self.steps:
            reached = self.reached(found | {self.start}, before, here)
            kinds = [self.states[state] for state in reached]
            if any(kind == "end" for kind, _, _ in kinds):
                after = None
            else:
                ones = [one for one in kinds if one[0] == "one"]
                after = frozenset(following for _, chars, (following,) in ones if here is not None and chars.has(here))
            if len(self.steps) > STATES_MAX:
                self.steps.clear()
            self.steps[key] = after
        return self.steps[key]

    def reached(self, states, before, here):
        """These and what can be reached from them without a character."""
        reached, waiting = set(), list(states)
        while waiting:
            state = waiting.pop()
            if state in reached:
                continue
            reached.add(state)
            kind, what, following = self.states[state]
            if kind == "fork" or kind == "if" and holds(what, before, here):
                waiting += following
        return reached


def holds(what, before, here):
    if what == "start":
        return before is None
    if what == "stop":
        return here is None
    if what == "line start":
        return before in (None, 10)
    if what == "line end":
        return here in (None, 10)
    is_edge = (before is not None and is_word(before)) != (here is not None and is_word(here))
    return is_edge == (what == "edge")


@lru_cache(256)
def compile_regex(pattern):
    return Regex(pattern)
