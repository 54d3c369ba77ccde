#!/usr/bin/env python3
"""Checks netpoller.json: the rules of grafana/dashboard-linter, and every name against a scrape (`--metrics FILE`).

The rules bear the names they have there. The exceptions are in .lint, which is JSON and therefore the YAML that the
linter reads too.
"""

import argparse
import json
import pathlib
import re
import sys

import reading

HERE = pathlib.Path(__file__).parent

# Metrics that are on no panel, and why.
NOT_SHOWN = {}

UNITS = {"none", "short", "percentunit", "s", "ops", "Bps", "bytes"}
RATES = ("rate", "irate", "increase")
# Values of the variables of Grafana that an expression may use.
BUILT_IN = {"__rate_interval"}
SCHEMA_VERSION = 39


class Check:
    def __init__(self, dashboard, exclusions):
        self.dashboard = dashboard
        self.exclusions = exclusions
        self.problems = []

    def excluded(self, rule):
        """The exceptions from it in this dashboard."""
        entries = self.exclusions.get(rule, {}).get("entries", [])
        return [entry for entry in entries if entry["dashboard"] == self.dashboard["title"]]

    def require(self, holds, rule, message, panel=None):
        if holds:
            return
        if panel and any(entry["panel"] == panel["title"] for entry in self.excluded(rule)):
            return
        where = f"panel {panel['title']!r}: " if panel else ""
        self.problems.append(f"{rule}: {where}{message}")

    # The dashboard.

    def frame(self):
        board = self.dashboard
        self.require(board.get("editable") is False, "uneditable-dashboard", "editable must be false")
        self.require(bool(board.get("uid")), "stable-uid", "there is no uid")
        self.require(bool(board.get("tags")), "tags", "there are no tags")
        self.require(board.get("id") is None, "stable-uid", "id is of one Grafana instance, it must be null")
        self.require(board.get("schemaVersion", 99) <= SCHEMA_VERSION, "schema-version", f"newer than {SCHEMA_VERSION}")
        ids = [panel["id"] for panel in reading.panels(board)] + [p["id"] for p in board["panels"] if p["type"] == "row"]
        self.require(len(ids) == len(set(ids)), "panel-ids", "two panels have the same id")

    def exceptions(self):
        titles = {panel["title"] for panel in reading.panels(self.dashboard)}
        for rule in self.exclusions:
            for entry in self.excluded(rule):
                self.require(entry["panel"] in titles, rule, f".lint excludes {entry['panel']!r}, and there is no such panel")

    def variables(self):
        by_name = {variable["name"]: variable for variable in reading.variables(self.dashboard)}
        source = by_name.get("datasource", {})
        self.require(source.get("type") == "datasource" and source.get("query") == "prometheus",
                     "template-datasource-rule", "there is no variable `datasource` of type prometheus")
        self.require(source.get("label") == "Data source", "template-datasource-rule", "the label is not `Data source`")
        for name in ("job", "instance", "poller"):
            variable, rule = by_name.get(name), f"template-{name}-rule"
            if not variable:
                self.require(False, rule, f"there is no variable `{name}`")
                continue
            self.require(variable["type"] == "query", rule, "not a query")
            self.require(variable["datasource"]["uid"] == "${datasource}", rule, "does not use ${datasource}")
            self.require(variable["label"] == name.title(), rule, f"the label is not `{name.title()}`")
            self.require(variable["multi"] and variable["includeAll"], rule, "multi and includeAll must be true")
            self.require(variable["allValue"] == ".+", rule, "allValue must be `.+`")
            self.require(variable["refresh"] == 2, "template-on-time-change-reload-rule", f"`{name}`: refresh must be 2")
            match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            self.require(match, "template-label-promql-rule", f"`{name}`: {variable['query']}")
            if match:
                self.expression(match[1], "template-label-promql-rule", None)

    # Panels.

    def panel(self, panel):
        self.require(panel.get("title") and panel.get("description"), "panel-title-description-rule", "needs both", panel)
        self.require(panel.get("datasource", {}).get("uid") == "${datasource}", "panel-datasource-rule",
                     "does not use ${datasource}", panel)
        self.require(panel.get("targets"), "panel-no-targets-rule", "has no expression", panel)
        options, defaults = panel.get("options", {}), panel["fieldConfig"]["defaults"]
        unit = options["yAxis"].get("unit") if panel["type"] == "heatmap" else defaults.get("unit")
        self.require(unit in UNITS, "panel-units-rule", f"unit {unit!r} is none of {sorted(UNITS)}", panel)
        for target in panel.get("targets", []):
            self.target(panel, target)

    def target(self, panel, target):
        expression = self.expression(target["expr"], "target-promql-rule", panel)
        if not expression:
            return
        for selector in expression.selectors:
            function = selector.inside[0] if selector.inside else ""
            for name in ("job", "instance"):
                self.require(selector.matchers.get(name) == ("=~", f"${name}"), f"target-{name}-rule",
                             f'{selector.metric} has no {name}=~"${name}"', panel)
            if function in RATES:
                self.require(selector.range == "$__rate_interval", "target-rate-interval-rule",
                             f"{function} of {selector.metric} over {selector.range}", panel)
            if selector.metric.endswith(("_total", "_bucket", "_sum", "_count")):
                self.require(function in RATES, "target-counter-agg-rule", f"{selector.metric} without rate", panel)
        grouped = {label for labels in expression.groupings for label in labels}
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
            self.require(label in grouped, "legend", f"{label} is in no grouping of {target['expr']}", panel)
        for use in set(re.findall(r"\$(\w+)", target["expr"])):
            known = BUILT_IN | {variable["name"] for variable in reading.variables(self.dashboard)}
            self.require(use in known, "target-promql-rule", f"${use} is not defined", panel)

    def expression(self, text, rule, panel):
        try:
            return reading.read(text)
        except reading.Malformed as error:
            self.require(False, rule, f"{error} in {text}", panel)
            return None

    # Names.

    def names(self, families, is_whole):
        for variable in reading.variables(self.dashboard):
            match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            for selector in reading.read(match[1]).selectors if match else []:
                self.require(selector.metric in families, "metric-exists", f"{selector.metric} is not exported")
        shown = set()
        for panel in reading.panels(self.dashboard):
            for target in panel["targets"]:
                try:
                    expression = reading.read(target["expr"])
                except reading.Malformed:
                    continue
                for selector in expression.selectors:
                    family = families.get(selector.metric)
                    self.require(family, "metric-exists", f"{selector.metric} is not exported", panel)
                    if family:
                        shown.add(family.name)
                        self.selector(panel, selector, family)
                self.quantile(panel, expression)
        # One for a purpose shows what serves that.
        for family in families.values() if is_whole else ():
            self.require(family.name in shown or family.name in NOT_SHOWN, "metric-shown",
                         f"{family.name} is on no panel; show it or say in NOT_SHOWN why not")
        for name in NOT_SHOWN:
            self.require(name in {family.name for family in families.values()} and name not in shown, "metric-shown",
                         f"NOT_SHOWN lists {name}, which is shown or not exported")

    def selector(self, panel, selector, family):
        function = selector.inside[0] if selector.inside else ""
        self.require(function not in RATES or family.is_cumulative(), "metric-type",
                     f"{function} of {family.name}, which is a {family.type}", panel)
        for label, (operator, value) in selector.matchers.items():
            if value.startswith("$"):
                continue
            values = family.labels.get(label, set())
            self.require(values, "label-exists", f"{family.name} has no label {label}", panel)
            wanted = value.split("|") if operator in ("=~", "!~") else [value]
            for missing in [value for value in wanted if values and value not in values]:
                self.require(False, "label-exists", f"{family.name} has no {label}={missing!r}", panel)

    def quantile(self, panel, expression):
        for selector in expression.selectors:
            if "histogram_quantile" in selector.inside:
                self.require(any("le" in labels for labels in expression.groupings), "metric-type",
                             f"histogram_quantile of {selector.metric} without le", panel)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dashboard", type=pathlib.Path, default=HERE / "netpoller.json")
    parser.add_argument("--metrics", type=pathlib.Path, metavar="FILE", help="a scrape to check the names against")
    args = parser.parse_args()

    dashboard = json.loads(args.dashboard.read_text())
    check = Check(dashboard, json.loads((HERE / ".lint").read_text())["exclusions"])
    check.frame()
    check.exceptions()
    check.variables()
    panels = list(reading.panels(dashboard))
    for panel in panels:
        check.panel(panel)
    said = f"{len(panels)} panels, {sum(len(panel['targets']) for panel in panels)} expressions"
    if args.metrics:
        families = reading.families(args.metrics.read_text())
        check.names(families, is_whole=dashboard["uid"] == "netpoller")
        said += f", {len({family.name for family in families.values()})} metrics"
    for problem in check.problems:
        print(problem, file=sys.stderr)
    if check.problems:
        sys.exit(f"{len(check.problems)} problems in {args.dashboard.name}")
    print(f"{args.dashboard.name}: {said}, no problem")


if __name__ == "__main__":
    main()
