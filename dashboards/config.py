"""What an installation may want to be otherwise: options of rules.py and generate.py. The defaults are what is in this folder."""

import argparse
import pathlib
import re
import sys
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).parent
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = r"\d+[smhd]"


def seconds(duration):
    """Of a duration of Prometheus, as `5m`."""
    if not re.fullmatch(DURATION, duration):
        raise argparse.ArgumentTypeError(f"{duration!r} is no duration, as 30s or 1m")
    return int(duration[:-1]) * UNITS[duration[-1]]


def duration(seconds):
    whole = next(unit for unit in ("d", "h", "m", "s") if seconds % UNITS[unit] == 0)
    return f"{seconds // UNITS[whole]}{whole}"


def label(text):
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[a-zA-Z_]\w*", name):
        raise argparse.ArgumentTypeError(f"{text!r} is no label, as team=storage")
    return name, value


@dataclass(frozen=True)
class Config:
    # How often Prometheus scrapes, in seconds.
    interval: int = 15
    # What every series has to match, beside what is chosen: job="x".
    selector: str = ""
    # The severity of an alert that wakes somebody.
    critical: str = "critical"
    # Labels of every alert.
    labels: dict = field(default_factory=dict)
    # Where the runbooks are.
    runbooks: str = "https://github.com/netpoller/netpoller/blob/main/dashboards/RUNBOOKS.md"
    # Tags of every dashboard, beside its own.
    tags: tuple = ()

    def at_least(self, wanted, scrapes):
        """A duration, or what so many scrapes take."""
        return duration(max(seconds(wanted), scrapes * self.interval))

    def ranges(self, text):
        """With each range, and what is called after one, long enough for four scrapes: fewer make no rate."""
        after = rf"(?<=\[){DURATION}(?=\])|(?<=:p99_){DURATION}\b|(?<=\bin ){DURATION}\b"
        return re.sub(after, lambda found: self.at_least(found[0], 4), text)

    def scoped(self, expr):
        """With the selector at every metric that is scraped; what is recorded is made of these."""
        if not self.selector:
            return expr
        metric = r"(?<![\w:])(up|netpoller_\w+)\b(?![:(])(?:{([^}]*)})?"
        return re.sub(metric, lambda it: f"{it[1]}{{{', '.join(filter(None, (self.selector, it[2])))}}}", expr)


def parse(description, *flags):
    """The configuration that the command line asks for, the folder to write to, and the flags that are set."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in flags:
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--out", type=pathlib.Path, metavar="FOLDER", help="write there; the options below need it")
    parser.add_argument("--interval", type=seconds, metavar="DURATION",
                        help="how often Prometheus scrapes: no alert comes of fewer than two scrapes, no rate of fewer than four")
    parser.add_argument("--selector", help='what every series has to match: \'job="x"\'')
    parser.add_argument("--critical", metavar="SEVERITY", help="the severity of an alert that wakes somebody")
    parser.add_argument("--label", type=label, action="append", metavar="NAME=VALUE", help="of every alert; may be repeated")
    parser.add_argument("--runbooks", metavar="URL", help="where the runbooks are")
    parser.add_argument("--tag", action="append", help="of every dashboard; may be repeated")
    args = parser.parse_args()
    given = {"interval": args.interval, "selector": args.selector, "critical": args.critical, "runbooks": args.runbooks,
             "labels": dict(args.label or ()), "tags": tuple(args.tag or ())}
    given = {name: value for name, value in given.items() if value}
    if given and not args.out:
        parser.error("say with --out where to write what is not the default")
    flags = {flag for flag in flags if getattr(args, flag)}
    if given and flags:
        parser.error(f"--{min(flags)} is for the defaults")
    return Config(**given), args.out or HERE, flags


def write(folder, files, check):
    """Writes files, or says which are not what is here."""
    for name, text in files.items():
        path = folder / name
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif path.read_text() != text:
            sys.exit(f"{name} is not what its source writes; run python3 dashboards/{pathlib.Path(sys.argv[0]).name}")
