"""The one spelling of a control's id: `FRAMEWORK:ID` (PROFILES.md, "Control ids")."""

# Name, spellings (lower case, letters and digits alone), what joins letters to digits, what is dropped in front.
FRAMEWORKS = (
    ("SOC2", ("soc2", "aicpatsc", "tsc"), "", ""),
    ("PCI-DSS", ("pcidss", "pci"), "", "REQ"),
    ("NIST-800-53", ("nist80053", "nistsp80053", "sp80053"), "-", ""),
    ("NIST-CSF", ("nistcsf",), "-", ""),
    ("NIST-AI-RMF", ("nistairmf", "airmf"), "-", ""),
    ("ISO27001", ("iso27001", "isoiec27001"), ".", "ANNEX-"),
    ("ISO42001", ("iso42001", "isoiec42001"), ".", "ANNEX-"),
    ("HIPAA", ("hipaa",), "-", ""),
    ("GDPR", ("gdpr",), "", "ART"),
    ("EU-AI-ACT", ("euaiact", "aiact"), "", "ART"),
    ("FEDRAMP", ("fedramp",), "-", ""),
    ("CIS", ("cis",), "-", ""),
)
DIGITS = "0123456789"
SEPARATORS = " -_/"


def normalise(text, framework=None):
    text = text.strip()
    name, colon, rest = text.partition(":")
    if colon:
        return _join(name, rest)
    known, rest = _known_prefix(text)
    if known:
        return f"{known[0]}:{_fold(rest, known)}"
    return _join(framework, text) if framework is not None else _fold(text, None)


def _join(name, rest):
    known, _ = _known_prefix(name)
    if known:
        return f"{known[0]}:{_fold(_without_year(rest.strip()), known)}"
    return f"{_fold(name, None)}:{_fold(rest, None)}"


def _known_prefix(text):
    """The framework whose longest spelling `text` begins with, and what stands behind it and its version."""
    best = (None, text, 0)
    for framework in FRAMEWORKS:
        for spelling in framework[1]:
            rest = _behind(text, spelling)
            if rest is not None and len(spelling) > best[2]:
                best = framework, rest, len(spelling)
    return best[0], _without_version(best[1]) if best[0] else text


def _behind(text, spelling):
    """What follows `spelling` in `text`, case and separators aside; None where a word goes on there."""
    wanted = 0
    for at, char in enumerate(text):
        if wanted == len(spelling):
            goes_on = char in DIGITS if spelling[-1] in DIGITS else char.isalpha()
            return None if goes_on else text[at:]
        if char.isascii() and char.lower() == spelling[wanted]:
            wanted += 1
        elif at == 0 or char not in SEPARATORS + ".":
            return None
    return "" if wanted == len(spelling) else None


def _without_version(text):
    text = text.lstrip(SEPARATORS + ":")
    for word in ("version", "rev", "v", "r"):
        if text[:len(word)].lower() == word:
            number = text[len(word):].lstrip(". ")
            if number[:1] and number[0] in DIGITS:
                return number.lstrip(DIGITS + ".").lstrip(SEPARATORS + ":")
    return _without_year(text)


def _without_year(text):
    is_year = len(text) > 4 and text.startswith("20") and all(c in DIGITS for c in text[:4])
    if is_year and text[4] in SEPARATORS + ":":
        return text[4:].lstrip(SEPARATORS + ":")
    return text


def _fold(text, framework):
    folded, gap = "", False
    for char in text.strip().upper():
        if char.isspace() or char in "_-":
            gap = bool(folded)
            continue
        if gap:
            folded += _joint(folded[-1], char, framework)
            gap = False
        folded += char
    if framework is None or not framework[3]:
        return folded
    for word in ("ARTICLE", "REQUIREMENT", framework[3]):
        if folded.startswith(word):
            return folded[len(word):].lstrip(".-")
    return folded


def _joint(before, after, framework):
    """What stands for an underscore, a dash or a space between two parts of an id."""
    if after in "().," or before in "(.,":
        return ""
    if before in DIGITS and after in DIGITS:
        return "."
    if framework and before.isalpha() and after in DIGITS:
        return framework[2]
    return "-"
