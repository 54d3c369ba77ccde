"""The little of Grafana's dashboard model that the dashboard is made of.

Panels are laid out from left to right on 24 columns, in the order in which they are written; a row that is full ends by itself.
Everything is classic JSON of schema version 39, which Grafana 10 and later import.
"""

import math

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# What every selector says, so that the variables at the top of the dashboard hold for every panel: of metrics of a job, of a
# process, and of a poller.
JOB = 'job=~"$job"'
PROCESS = f'{JOB}, instance=~"$instance"'
SCOPE = f'{PROCESS}, poller=~"$poller"'
# Where the jobs are taken from that can be chosen.
JOBS = "label_values(netpoller_build_info, job)"

COLUMNS = 24
# Pixels of a row of the grid.
CELL = 38


# Expressions.


def sel(metric, scope=SCOPE, **labels):
    """The series of `metric` that are chosen at the top; a label's value is given as it is, or as a regular expression after `~`."""
    matchers = [scope]
    for label, value in labels.items():
        matchers.append(f'{label}=~"{value[1:]}"' if value.startswith("~") else f'{label}="{value}"')
    return f"{metric}{{{', '.join(matchers)}}}"


def total(metric, by="poller", **labels):
    """The sum of a gauge."""
    return f"sum by ({by}) ({sel(metric, **labels)})"


def rate(metric, by="poller", **labels):
    """How much a counter grows in a second."""
    return f"sum by ({by}) (rate({sel(metric, **labels)}[$__rate_interval]))"


def ratio(numerator, denominator, matching=""):
    """A share; nothing of nothing is no share, so it leaves a gap."""
    return " ".join(filter(None, (numerator, "/", matching, f"({denominator} > 0)")))


def quantile(q, histogram, by="poller", **labels):
    """A quantile of what was observed in the interval, over all instances."""
    return f"histogram_quantile({q}, {rate(histogram + '_bucket', 'le, ' + by, **labels)})"


def mean(histogram, by="poller", **labels):
    """The mean of what was observed in the interval."""
    return ratio(rate(histogram + "_sum", by, **labels), rate(histogram + "_count", by, **labels))


# Links from what is seen to where more is seen of it; what is chosen at the top, and the time, go along.


def link(title, uid, *variables):
    return {"title": title, "url": f"/d/{uid}?" + "&".join(["${datasource:queryparam}", *variables, "${__url_time_range}"])}


TO_FLEET = link("Whose is it? (fleet)", "netpoller-fleet", *(f"${{{name}:queryparam}}" for name in ("job", "instance", "poller")))
# Of a line that has both labels.
TO_INSTANCE = link("Internals of ${__field.labels.instance}", "netpoller",
                   *(f"var-{name}=${{__field.labels.{name}}}" for name in ("job", "instance")))


# Panels.


# Grafana gives a legend below at most a third of a panel, and scrolls the rest.
BELOW = 3


def legend(lines, compact):
    if compact:
        return {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True}
    beside = lines > BELOW
    return {"calcs": ["lastNotNull"] if beside else ["lastNotNull", "max"], "displayMode": "table",
            "placement": "right" if beside else "bottom", "showLegend": True, "sortBy": "Last *", "sortDesc": True}


def graph(title, description, unit, *targets, width=8, height=9, stack=False, signed=False, log=False, compact=False,
          lines=1, links=(), beside=None, warn=None, bad=None):
    """Lines over time; a target is (expression, legend). `signed` is for values that may be negative, `log` for those of very
    different size; a `compact` one has no numbers in its legend. With more than a few `lines` for each poller the legend is
    beside them, and the panel high enough for all of it. A line leads to `links`; the one called `beside` is there to be
    compared with, and leads nowhere. The limits of alerts are dashed lines, `warn` and `bad`."""
    if lines > BELOW:
        height = max(height, math.ceil((90 + 24 * lines) / CELL))
    custom = {
        "drawStyle": "line",
        "fillOpacity": 20 if stack else 8,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stack else "none"},
    }
    defaults = {"color": {"mode": "palette-classic"}, "custom": custom, "unit": unit}
    if links:
        defaults["links"] = list(links)
    if warn is not None or bad is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        defaults["thresholds"] = thresholds(warn, bad)
    if log:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    elif not signed:
        defaults["min"] = 0
    overrides = [{
        "matcher": {"id": "byName", "options": beside},
        "properties": [
            {"id": "color", "value": {"mode": "fixed", "fixedColor": "text"}},
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "links", "value": []},
        ],
    }] if beside else []
    return _panel("timeseries", title, description, width, height, targets, {
        "fieldConfig": {"defaults": defaults, "overrides": overrides},
        "options": {
            "legend": legend(lines, compact),
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    })


def thresholds(warn, bad):
    """From `warn` on it is orange, from `bad` on red."""
    steps = [{"color": "green" if warn is not None or bad is not None else "text", "value": None}]
    if warn is not None:
        steps.append({"color": "orange", "value": warn})
    if bad is not None:
        steps.append({"color": "red", "value": bad})
    return {"mode": "absolute", "steps": steps}


def stat(title, description, unit, *targets, width=4, height=5, warn=None, bad=None, milder=None, links=()):
    """Numbers with their recent course; from `warn` on they are orange, from `bad` on red. The last target is only
    orange, from `milder` on. They lead to `links`."""
    overrides = []
    if milder is not None:
        overrides.append({
            "matcher": {"id": "byFrameRefID", "options": ref(len(targets) - 1)},
            "properties": [{"id": "thresholds", "value": thresholds(milder, None)}],
        })
    return _panel("stat", title, description, width, height, targets, {
        "fieldConfig": {
            "defaults": {
                "color": {"mode": "thresholds"},
                **({"links": list(links)} if links else {}),
                "min": 0,
                "thresholds": thresholds(warn, bad),
                "unit": unit,
            },
            "overrides": overrides,
        },
        "options": {
            "colorMode": "value",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            # Of several numbers each has to say what it is.
            "textMode": "auto" if len(targets) == 1 else "value_and_name",
        },
    })


def heatmap(title, description, unit, histogram, width=8, **labels):
    """How the observations of a histogram are spread over its buckets, over time."""
    panel = _panel("heatmap", title, description, width, 9, [(rate(histogram + "_bucket", "le", **labels), "{{le}}")], {
        "fieldConfig": {"defaults": {"custom": {"scaleDistribution": {"type": "linear"}}}, "overrides": []},
        "options": {
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": "ops"},
            "color": {"exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": False, "scale": "exponential",
                      "scheme": "Oranges", "steps": 64},
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
        },
    })
    panel["targets"][0]["format"] = "heatmap"
    return panel


def table(title, description, *targets, width=24, height=5, hide=()):
    """The labels of info metrics, as they are now."""
    panel = _panel("table", title, description, width, height, targets, {
        "fieldConfig": {"defaults": {"unit": "none"}, "overrides": []},
        "options": {"cellHeight": "sm", "showHeader": True},
        "transformations": [
            {"id": "organize", "options": {"excludeByName": {name: True for name in ("Time", "Value", "__name__", *hide)}}},
        ],
    })
    for target in panel["targets"]:
        target.update({"format": "table", "instant": True, "range": False})
    return panel


def ref(n):
    """The name of a panel's target."""
    return chr(ord("A") + n)


def _panel(kind, title, description, width, height, targets, extra):
    return {
        "type": kind,
        "title": title,
        "description": " ".join(description.split()),
        "datasource": DATASOURCE,
        "gridPos": {"h": height, "w": width},
        **extra,
        "targets": [
            {
                "datasource": DATASOURCE,
                "editorMode": "code",
                "expr": expr,
                "format": "time_series",
                "instant": False,
                "legendFormat": legend,
                "range": True,
                "refId": ref(n),
            }
            for n, (expr, legend) in enumerate(targets)
        ],
    }


# Variables.


def datasource():
    return {
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }


def variable(name, query):
    """The values of a label, all of them chosen at first, looked up anew when the time range changes."""
    return {
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": DATASOURCE,
        "definition": query,
        "hide": 0,
        "includeAll": True,
        "label": name.title(),
        "multi": True,
        "name": name,
        "options": [],
        "query": query,
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


# The whole.


def mark(name, colour, expr, title, **more):
    return {"name": name, "datasource": DATASOURCE, "enable": True, "iconColor": colour, "expr": expr, "titleFormat": title,
            "step": "60s", **more}


# What graphs are marked with. A new pod is a new series, so a start is marked by the time that it tells, not by a change of it.
# An alert has an instance and a poller only if it is of one.
MARKS = [
    mark("Starts", "blue", f"{sel('netpoller_start_timestamp_seconds', PROCESS)} * 1000", "{{instance}} has started",
         useValueForTime=True),
    mark("Alerts", "red", 'ALERTS{alertname=~"Netpoller.*", alertstate="firing", '
         'job=~"$job", instance=~"$instance|", poller=~"$poller|"}',
         "{{alertname}}", textFormat="{{instance}} {{poller}} {{lint}}", tagKeys="severity"),
]


def in_lines(panels):
    """The panels that are beside each other, from the top down."""
    lines, used = [], COLUMNS
    for panel in panels:
        if used + panel["gridPos"]["w"] > COLUMNS:
            lines.append([])
            used = 0
        lines[-1].append(panel)
        used += panel["gridPos"]["w"]
    return lines


def dashboard(rows, **about):
    """Numbers the panels and lays them out. A row is (title, collapsed, panels)."""
    panels, y, ids = [], 0, iter(range(1, 1000))
    for title, collapsed, inside in rows:
        row = {"type": "row", "title": title, "id": next(ids), "collapsed": collapsed, "panels": [],
               "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y}}
        panels.append(row)
        y += 1
        bottom = y
        for line in in_lines(inside):
            # All of a line are as high as the highest.
            x, top, height = 0, bottom, max(panel["gridPos"]["h"] for panel in line)
            for panel in line:
                panel["gridPos"].update({"x": x, "y": top, "h": height})
                panel["id"] = next(ids)
                x += panel["gridPos"]["w"]
            bottom = top + height
        # What is folded takes no room.
        y = y if collapsed else bottom
        (row["panels"] if collapsed else panels).extend(inside)
    return {
        **about,
        "annotations": {"list": MARKS},
        "editable": False,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "panels": panels,
        "schemaVersion": 39,
        "timepicker": {},
        "timezone": "browser",
        "version": 1,
        "weekStart": "",
    }


def chosen():
    """The variables at the top: everything is chosen at first."""
    return {"list": [
        datasource(),
        variable("job", JOBS),
        variable("instance", f"label_values({sel('netpoller_build_info', JOB)}, instance)"),
        variable("poller", f"label_values({sel('netpoller_poller_blocked', PROCESS)}, poller)"),
    ]}


def one_screen(panels, **about):
    """A dashboard without rows."""
    board = dashboard(
        [("", False, panels)],
        tags=["netpoller", "epoll", "prometheus"],
        refresh="30s",
        time={"from": "now-1h", "to": "now"},
        templating=chosen(),
        **about,
    )
    board["panels"] = [panel for panel in board["panels"] if panel["type"] != "row"]
    for panel in board["panels"]:
        panel["gridPos"]["y"] -= 1
    return board
