"""From tokens to a tree: QUERY.md's grammar, each rule a method."""

import json

from ..profile import parse_path
from . import tree
from .tokens import MARK, PARAMETER, TEXT, WORD, NoQuery, tokens

FUNCTIONS = ("count", "sum", "avg", "min", "max", "p50", "p95", "p99", "distinct")
COMPARISONS = {"<": "less", "<=": "less_or_equal", ">": "greater", ">=": "greater_or_equal"}
PATH_STEPS_MAX, INDEX_MAX = 128, (1 << 32) - 1


def parse(text):
    """The tree of a query; NoQuery where it is none."""
    parts = [[]]
    for token in tokens(text):
        if (token.kind, token.text) == (MARK, "|"):
            parts.append([])
        else:
            parts[-1].append(token)
    query = Parser(parts[0]).whole(Parser.head)
    stages = tuple(Parser(part).whole(Parser.stage) for part in parts[1:])
    return tree.Query(query.explain, query.head, query.conditions, stages, query.behind)


def unquoted(text):
    """The text that stands in these quotes, by the rules of JSON; a line may end in it."""
    try:
        found = json.loads(text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t"))
        found.encode()
        return found
    except ValueError:
        raise NoQuery(f"{text} is no text") from None


def whole_number(text):
    if not text or not text.isascii() or not text.isdigit() or int(text) >= 1 << 64:
        raise NoQuery(f"{text!r} is no number")
    return int(text)


def field_of(word):
    """A name, or a path, which a leading dot makes sure of."""
    is_path = "." in word or "[" in word
    if is_path:
        try:
            steps = parse_path(word.removeprefix("."))
        except ValueError as error:
            raise NoQuery(str(error)) from None
        if len(steps) > PATH_STEPS_MAX or any(isinstance(step, int) and step > INDEX_MAX for step in steps):
            raise NoQuery("a path that is longer than events are deep")
        return tree.Path(steps)
    if not (word[0].isalpha() or word[0] in "_@") or not all(c.isalnum() or c in "_-@" for c in word):
        raise NoQuery(f"{word} is no name of a field")
    return tree.Name(word)


class Parser:
    def __init__(self, part):
        self.part, self.at = part, 0

    def whole(self, rule):
        found = rule(self)
        self.demand(self.at == len(self.part), "the end")
        return found

    def peek(self, ahead=0):
        return self.part[self.at + ahead] if self.at + ahead < len(self.part) else None

    def sees(self, text, kind=WORD, ahead=0):
        token = self.peek(ahead)
        return token is not None and (token.kind, token.text) == (kind, text)

    def takes(self, text, kind=WORD):
        """Whether the next token is this, which is then passed."""
        found = self.sees(text, kind)
        self.at += found
        return found

    def demand(self, condition, what):
        if not condition:
            raise NoQuery(f"expected {what}, found {self.peek()}")

    def mark(self, text):
        self.demand(self.takes(text, MARK), f"`{text}`")

    def any(self, kind, what):
        token = self.peek()
        self.demand(token is not None and token.kind == kind, what)
        self.at += 1
        return token.text

    def number(self):
        return whole_number(self.any(WORD, "a number"))

    def list(self, item):
        found = [item()]
        while self.takes(",", MARK):
            found.append(item())
        return tuple(found)

    # What stands before the first bar.

    def head(self):
        explains = self.sees("explain") and not self.is_mark(1)
        self.at += explains
        head = self.head_word()
        behind = () if self.sees("where") else tuple(self.bare_words())
        return tree.Query(explains, head, self.conditions(), behind=behind)

    def bare_words(self):
        """The words that are searched for where the parser stands, which stays there."""
        start, found = self.at, []
        try:
            while self.peek() is not None and self.peek().kind == WORD and not self.is_test():
                found.append(self.search().text.text)
        except NoQuery:
            pass
        self.at = start
        return found

    def is_mark(self, ahead):
        """Whether a mark follows that is not the beginning of a group."""
        token = self.peek(ahead)
        return token is not None and token.kind == MARK and token.text != "("

    def head_word(self):
        token = self.peek()
        following = self.peek(1)
        is_field = self.is_mark(1) or following is not None and following.text == "in"
        heads = {"timeline": self.timeline, "control": self.ids, "controls": self.framework, "event": self.ids,
                 "seq": self.seqs, "around": self.around}
        if token is None or token.kind != WORD or token.text not in heads or is_field:
            return tree.Head()
        self.at += 1
        return tree.Head(token.text, heads[token.text]())

    def timeline(self):
        return self.any(WORD, "a field"), self.operand()

    def ids(self):
        return self.list(self.operand)

    def framework(self):
        return (self.operand(),) if self.takes("framework") else ()

    def seqs(self):
        first, dots, last = self.any(WORD, "a range of seqs").partition("..")
        following = self.peek().text if self.peek() is not None else ""
        has_end = bool(last) or not dots or not (following.isascii() and following.isdigit())
        self.demand(has_end and not following.startswith(".."), "a range in one word")
        if not dots:
            return (whole_number(first),) * 2
        ends = tuple(whole_number(end) if end else None for end in (first, last))
        self.demand(None in ends or ends[0] <= ends[1], "a range that does not end before it begins")
        return ends

    def around(self):
        seq, word = self.number(), self.any(WORD, "how many on each side")
        sign = next((sign for sign in ("\u00b1", "+-") if word.startswith(sign)), None)
        self.demand(sign, "how many on each side")
        count = word.removeprefix(sign)
        return seq, whole_number(count) if count else self.number()

    # Conditions.

    def conditions(self):
        found = []
        if self.peek() is not None and self.peek().text != "where":
            found += flat(self.condition(), tree.All)
        while self.takes("where"):
            found += flat(self.condition(), tree.All)
        return tuple(found)

    def condition(self):
        parts = list(flat(self.all(), tree.Any))
        while self.takes("or"):
            parts += flat(self.all(), tree.Any)
        return parts[0] if len(parts) == 1 else tree.Any(tuple(parts))

    def all(self):
        parts = list(flat(self.negation(), tree.All))
        while self.peek() is not None and self.peek().text not in (")", "or", "where"):
            self.takes("and")
            parts += flat(self.negation(), tree.All)
        return parts[0] if len(parts) == 1 else tree.All(tuple(parts))

    def negation(self):
        count = 0
        while self.takes("not"):
            count += 1
        self.demand(count <= 2, "`not` twice at most")
        condition = self.one()
        for _ in range(count):
            condition = tree.Not(condition)
        return condition

    def one(self):
        if self.takes("(", MARK):
            condition = self.condition()
            self.mark(")")
            return condition
        following = self.peek(1)
        for word in ("exists", "unreadable"):
            if self.sees(word) and following is not None and following.text == "(":
                self.at += 1
                self.mark("(")
                test = tree.Test(self.plain_expression(), word)
                self.mark(")")
                return test
        received = self.sees("received")
        token = self.peek(int(received))
        if token is not None and token.kind == WORD and token.text in ("since", "until", "between", "during"):
            self.at += received
            return self.when(received)
        return self.test() if self.is_test() else self.search()

    def when(self, received):
        word = self.any(WORD, "a time")
        times = [self.operand()]
        if word == "between":
            self.demand(self.takes("and"), "`and`")
            times.append(self.operand())
        return tree.When(received, word, tuple(times))

    def is_operator(self, ahead):
        token = self.peek(ahead)
        is_known = token is not None and token.text in ("=", "!=", "~", "in", *COMPARISONS)
        return is_known and token.kind == (WORD if token.text == "in" else MARK)

    def is_test(self):
        first, following = self.peek(), self.peek(1)
        if first is None or first.kind != WORD:
            return False
        is_known = first.text in (*FUNCTIONS, "bin")
        is_name = first.text[0].isalpha() and following is not None and first.end == following.start
        is_call = following is not None and following.text == "(" and (is_known or is_name)
        is_difference = following is not None and following.text == "-" and self.is_operator(3)
        return is_call or is_difference or self.is_operator(1)

    def test(self):
        left = self.expression()
        self.demand(self.is_operator(0), "a comparison")
        operator = self.peek().text
        self.at += 1
        if operator == "in":
            self.mark("(")
            values = self.list(self.operand)
            self.mark(")")
            return tree.Test(left, "in", values)
        if operator == "~":
            return tree.Test(left, "~", (self.pattern(),))
        return tree.Test(left, COMPARISONS.get(operator, operator), (self.operand(),))

    def pattern(self):
        inside, found = iter(self.any(TEXT, "an expression in quotes")[1:-1]), ""
        for char in inside:
            following = next(inside, "") if char == "\\" else ""
            found += following if following == '"' else char + following
        return found

    def search(self):
        token = self.peek()
        self.demand(token is not None, "a condition")
        if token.kind == WORD:
            self.demand(token.text.lower() not in tree.RESERVED and "*" not in token.text, "a condition")
        operand = self.operand()
        return tree.Search(tree.Operand(TEXT, operand.text) if operand.kind == WORD else operand)

    # Expressions and values.

    def operand(self):
        token = self.peek()
        self.demand(token is not None and token.kind != MARK, "a value")
        self.demand(token.kind != WORD or token.text not in tree.RESERVED, "a value")
        self.at += 1
        if token.kind == TEXT:
            return tree.Operand(TEXT, unquoted(token.text))
        if token.kind == WORD:
            return tree.Operand(WORD, token.text + self.parts_behind(token.end))
        return tree.Operand(PARAMETER, token.text.removeprefix("$"))

    def parts_behind(self, end):
        """What stands in parentheses right behind a word."""
        found = ""
        while self.sees("(", MARK) and self.sees(")", MARK, 2):
            opening, part, closing = self.part[self.at:self.at + 3]
            if part.kind != WORD or (opening.start, part.start, closing.start) != (end, opening.end, part.end):
                break
            found += f"({part.text})"
            end = closing.end
            self.at += 3
        return found

    def field(self):
        return field_of(self.any(WORD, "a field"))

    def expression(self):
        if not self.sees("(", MARK, 1):
            first = self.field()
            return tree.Difference(first, self.field()) if self.takes("-") else first
        if not self.takes("bin"):
            return self.said()
        self.mark("(")
        of = self.field()
        self.mark(",")
        width = self.any(WORD, "a duration")
        self.mark(")")
        return tree.Bin(of, width)

    def said(self):
        function = self.any(WORD, "a function")
        self.demand(function in FUNCTIONS, "a function")
        self.mark("(")
        of = None if function == "count" else self.plain_expression()
        self.mark(")")
        return tree.Said(function, of)

    def plain_expression(self):
        expression = self.expression()
        self.demand(not isinstance(expression, tree.Said), "something of one row alone")
        return expression

    def named(self, rule):
        node, name = rule(), None
        if self.takes("as"):
            name = field_of(self.any(WORD, "a name"))
            self.demand(isinstance(name, tree.Name), "a name")
            name = name.name
        return tree.Named(node, name)

    def columns(self):
        return self.list(lambda: self.named(self.plain_expression))

    # Stages.

    def stage(self):
        word = self.any(WORD, "a stage")
        if word in ("unless", "preceded", "followed"):
            return self.beside(word)
        rules = {"where": lambda: (self.condition(),), "fields": self.columns, "distinct": self.columns,
                 "sort": lambda: self.list(self.sort_key), "limit": lambda: (self.number(),),
                 "tail": lambda: (self.number(),), "sample": self.sample, "count": lambda: (),
                 "stats": lambda: self.list(lambda: self.named(self.said)), "first": lambda: (), "last": lambda: ()}
        self.demand(word in rules, "a stage")
        parts, by = rules[word](), ()
        if word in ("first", "last"):
            self.demand(self.takes("by"), "`by`")
            by = self.list(self.plain_expression)
        elif word in ("count", "stats") and self.takes("by"):
            by = self.columns()
        return tree.Stage(word, parts, by)

    def sort_key(self):
        return self.expression(), self.takes("desc")

    def sample(self):
        return self.number(), self.number() if self.takes("seed") else 0

    def beside(self, word):
        unless = word == "unless"
        side = self.any(WORD, "a side") if unless else word
        self.demand(side in ("preceded", "followed") and self.takes("by"), "`preceded by` or `followed by`")
        self.mark("(")
        condition = self.condition()
        self.mark(")")
        within = []
        if self.takes("within"):
            within.append(self.near())
            while self.takes("and"):
                within.append(self.near())
        return tree.Beside(unless, side, condition, tuple(within), self.takes("strictly"))

    def near(self):
        word = self.any(WORD, "a field or a duration")
        return word if word[0] in "0123456789" else field_of(word)


def flat(condition, kind):
    """What is nested in its like, laid flat."""
    return condition.parts if isinstance(condition, kind) else (condition,)
