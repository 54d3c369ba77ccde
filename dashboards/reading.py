"""Reading what is checked: the panels of a dashboard, the selectors of an expression, the families of a scrape."""

import re
from dataclasses import dataclass, field


# Dashboards.


def panels(dashboard):
    """All panels but the rows, those in collapsed rows included."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panels(panel)
        else:
            yield panel


def variables(dashboard):
    return dashboard["templating"]["list"]


# Expressions.

TOKEN = re.compile(r"""
    (?P<string>"(?:\\.|[^"\\])*") | (?P<word>[a-zA-Z_:][\w:]*) | (?P<range>\[[^\]]*\]) |
    (?P<number>[\d.]+(?:e-?\d+)?[a-z]*) | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=,(){}$]) | (?P<space>\s+)
""", re.VERBOSE)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
KEYWORDS = GROUPING | {"and", "or", "unless", "bool", "offset", "inf", "nan"}
PAIRS = {")": "(", "}": "{"}


class Malformed(Exception):
    """An expression that is no PromQL."""


@dataclass
class Selector:
    metric: str
    matchers: dict = field(default_factory=dict)
    range: str = ""
    # The functions and aggregations around it, from the inside out.
    inside: tuple = ()


@dataclass
class Expression:
    selectors: list
    # The labels that groupings name.
    groupings: list


def read(expr):
    """Takes an expression apart as far as the rules need it. Prometheus itself judges the rest, in try.sh."""
    tokens, at = [], 0
    while at < len(expr):
        match = TOKEN.match(expr, at)
        if not match:
            raise Malformed(f"unexpected {expr[at:at + 10]!r}")
        if match.lastgroup != "space":
            tokens.append((match.lastgroup, match.group()))
        at = match.end()
    tokens.append(("end", ""))

    found, open_brackets, name = Expression([], []), [], ""
    n = 0
    while n < len(tokens) - 1:
        kind, text = tokens[n]
        following = tokens[n + 1][1]
        n += 1
        if kind == "word" and text.lower() in KEYWORDS:
            if text in GROUPING and following == "(":
                end = next((i for i in range(n, len(tokens)) if tokens[i][1] == ")"), None)
                if end is None:
                    raise Malformed(f"the ( after {text} is not closed")
                found.groupings.append([word for kind, word in tokens[n:end] if kind == "word"])
                n = end + 1
            continue
        if kind == "word" and (following == "(" or following in GROUPING):
            # The name of the bracket to come.
            name = text
        elif kind == "word":
            selector = Selector(text, inside=tuple(word for _, word in reversed(open_brackets) if word))
            if following == "{":
                n, selector.matchers = _matchers(tokens, n + 1)
            if tokens[n][0] == "range":
                selector.range = tokens[n][1][1:-1]
                n += 1
            found.selectors.append(selector)
        elif text == "(":
            open_brackets.append((text, name))
            name = ""
        elif text in PAIRS:
            if not open_brackets or open_brackets.pop()[0] != PAIRS[text]:
                raise Malformed(f"{text} closes nothing")
    if open_brackets:
        raise Malformed("a bracket is not closed")
    return found


def _matchers(tokens, n):
    matchers = {}
    while tokens[n][1] != "}":
        (label_kind, label), (_, operator), (value_kind, value) = tokens[n:n + 3]
        if label_kind != "word" or operator not in ("=", "!=", "=~", "!~") or value_kind != "string":
            raise Malformed(f"no matcher: {label} {operator} {value}")
        matchers[label] = (operator, value[1:-1])
        n += 3
        if tokens[n][1] == ",":
            n += 1
    return n + 1, matchers


# Scrapes.

SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? \S+$")
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:\\.|[^"\\])*)"')


@dataclass
class Family:
    name: str
    type: str
    # Values by label.
    labels: dict = field(default_factory=dict)
    # How many series it has, buckets included.
    series: int = 0

    def samples(self):
        """The names under which its samples are found."""
        if self.type == "histogram":
            return [self.name + suffix for suffix in ("_bucket", "_sum", "_count")]
        return [self.name]

    def is_cumulative(self):
        return self.type in ("counter", "histogram")


def families(text):
    """The families of a text exposition by the names of their samples."""
    by_sample = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            family = Family(name, kind)
            by_sample.update({sample: family for sample in family.samples()})
        elif line and not line.startswith("#"):
            match = SAMPLE.match(line)
            family = match and by_sample.get(match["name"])
            if not family:
                raise ValueError(f"no sample of a family that was announced: {line}")
            family.series += 1
            for label, value in LABEL.findall(match["labels"] or ""):
                family.labels.setdefault(label, set()).add(value)
    return by_sample
