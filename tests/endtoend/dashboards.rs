//! The dashboard shows what the library exports, and all of it, under the rules of Grafana's
//! dashboard-linter.
//!
//! `dashboards/check.py` says the same and more to those who edit the dashboard; this needs nothing
//! but cargo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Metrics that are exported and on no panel.
const NOT_SHOWN: [&str; 0] = [];

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "dashboards", name]
        .iter()
        .collect()
}

fn read(name: &str) -> String {
    let path = file(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn dashboard() -> Value {
    board("netpoller.json")
}

/// The one for whoever is on call.
fn oncall() -> Value {
    board("oncall.json")
}

/// The one for many instances.
fn fleet() -> Value {
    board("fleet.json")
}

fn board(name: &str) -> Value {
    serde_json::from_str(&read(name)).expect("a dashboard is JSON")
}

/// What the library exports before anything has happened.
fn exposition() -> String {
    let _poller = netpoller::Poller::builder()
        .name("shown")
        .build()
        .expect("a poller");
    netpoller::prometheus::encode()
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

#[track_caller]
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

/// All panels but the rows, those in folded rows included.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let top = items(dashboard, "panels").iter();
    top.flat_map(|panel| match text(panel, "type") {
        "row" => items(panel, "panels").iter().collect(),
        _ => vec![panel],
    })
    .collect()
}

/// A name in an expression, and what surrounds it.
#[derive(Debug)]
struct Selector<'a> {
    metric: &'a str,
    matchers: Vec<(&'a str, &'a str)>,
    range: Option<&'a str>,
    function: &'a str,
}

/// The selectors of an expression. Each has matchers, so a name ends at a brace; no label value of
/// ours has one.
fn selectors(expr: &str) -> Vec<Selector<'_>> {
    let starts = expr.match_indices("netpoller_");
    starts
        .map(|(start, _)| {
            let (metric, rest) = expr[start..].split_once('{').expect("a name with matchers");
            let (matchers, rest) = rest.split_once('}').expect("a brace that is closed");
            let before = expr[..start].strip_suffix('(').unwrap_or_default();
            let word = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_'));
            Selector {
                metric,
                matchers: matchers
                    .split(", ")
                    .map(|m| m.split_once('=').expect("label and value"))
                    .collect(),
                range: rest
                    .strip_prefix('[')
                    .and_then(|r| r.split_once(']'))
                    .map(|(range, _)| range),
                function: &before[word.map_or(0, |at| at + 1)..],
            }
        })
        .collect()
}

/// The type and the labels with their values, for each name under which there are samples.
type Exported = BTreeMap<String, (String, BTreeMap<String, BTreeSet<String>>)>;

fn exported(exposition: &str) -> Exported {
    let mut exported = Exported::new();
    for line in exposition.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
            let suffixes: &[&str] = if kind == "histogram" {
                &["_bucket", "_sum", "_count"]
            } else {
                &[""]
            };
            for suffix in suffixes {
                exported.insert(
                    format!("{name}{suffix}"),
                    (kind.to_owned(), BTreeMap::new()),
                );
            }
        } else if !line.starts_with('#') && !line.is_empty() {
            let name = line
                .split(['{', ' '])
                .next()
                .expect("a line has a first word");
            let (_, labels) = exported
                .get_mut(name)
                .unwrap_or_else(|| panic!("no type: {line}"));
            let inside = line
                .split_once('{')
                .and_then(|(_, rest)| rest.rsplit_once('}'));
            for label in inside
                .into_iter()
                .flat_map(|(inside, _)| inside.split("\","))
            {
                if let Some((label, value)) = label.trim_end_matches('"').split_once("=\"") {
                    labels
                        .entry(label.to_owned())
                        .or_default()
                        .insert(value.to_owned());
                }
            }
        }
    }
    exported
}

/// What the dashboard asks for in vain, and what it leaves out.
fn mismatches(dashboard: &Value, exported: &Exported) -> Vec<String> {
    let family = |name: &str| {
        let histogram = exported
            .get(name)
            .is_some_and(|(kind, _)| kind == "histogram");
        let suffix = if histogram {
            name.rfind('_').unwrap_or(name.len())
        } else {
            name.len()
        };
        name[..suffix].to_owned()
    };
    let mut wrong = Vec::new();
    let mut shown: BTreeSet<String> = NOT_SHOWN.iter().map(|name| (*name).to_owned()).collect();
    for panel in panels(dashboard) {
        let title = text(panel, "title");
        for target in items(panel, "targets") {
            for selector in selectors(text(target, "expr")) {
                let Some((kind, labels)) = exported.get(selector.metric) else {
                    wrong.push(format!("{title}: {} is not exported", selector.metric));
                    continue;
                };
                shown.insert(family(selector.metric));
                if selector.function == "rate" && kind == "gauge" {
                    wrong.push(format!("{title}: rate of the gauge {}", selector.metric));
                }
                for (label, value) in selector.matchers {
                    let value = value.trim_start_matches('~').trim_matches('"');
                    let known = |value| labels.get(label).is_some_and(|all| all.contains(value));
                    if !value.starts_with('$') && !value.split('|').all(known) {
                        wrong.push(format!(
                            "{title}: {} has no {label}={value}",
                            selector.metric
                        ));
                    }
                }
            }
        }
    }
    let names = exported
        .keys()
        .map(|name| family(name))
        .collect::<BTreeSet<_>>();
    wrong.extend(
        names
            .difference(&shown)
            .map(|name| format!("{name} is on no panel")),
    );
    wrong
}

#[test]
fn it_can_be_imported_by_grafana_10_and_chooses_by_source_job_instance_and_poller() {
    let dashboard = dashboard();
    assert_eq!(dashboard["editable"], false);
    assert_eq!(dashboard["id"], Value::Null, "an id belongs to one Grafana");
    assert_eq!(text(&dashboard, "uid"), "netpoller", "links point at it");
    assert!(!items(&dashboard, "tags").is_empty());
    assert!(dashboard["schemaVersion"].as_u64().unwrap() <= 39);

    let variables = items(&dashboard["templating"], "list");
    let names: Vec<_> = variables
        .iter()
        .map(|variable| text(variable, "name"))
        .collect();
    assert_eq!(names, ["datasource", "job", "instance", "poller"]);
    let exported = exported(&exposition());
    for variable in &variables[1..] {
        assert_eq!(variable["multi"], true, "{variable}");
        assert_eq!(variable["includeAll"], true, "{variable}");
        assert_eq!(variable["allValue"], ".+", "{variable}");
        assert_eq!(
            variable["refresh"], 2,
            "on change of the time range: {variable}"
        );
        let query = text(variable, "query")
            .strip_prefix("label_values(")
            .unwrap();
        let metric = query.split(['{', ',']).next().unwrap();
        assert!(exported.contains_key(metric), "{metric} is not exported");
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    for dashboard in [dashboard(), oncall(), fleet()] {
        assert_said(&dashboard);
    }
}

#[track_caller]
fn assert_said(dashboard: &Value) {
    let mut ids = BTreeSet::new();
    for panel in panels(dashboard) {
        let title = text(panel, "title");
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "{title}: its id is taken"
        );
        assert!(
            !title.is_empty() && !text(panel, "description").is_empty(),
            "{panel}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        assert!(!items(panel, "targets").is_empty(), "{title} shows nothing");
        let unit = match text(panel, "type") {
            "heatmap" => text(&panel["options"]["yAxis"], "unit"),
            _ => text(&panel["fieldConfig"]["defaults"], "unit"),
        };
        assert!(!unit.is_empty(), "{title} has no unit");
    }
}

#[test]
fn every_selector_obeys_the_variables_and_every_rate_the_interval() {
    let dashboards = [dashboard(), oncall(), fleet()];
    for panel in dashboards.iter().flat_map(|it| panels(it)) {
        for target in items(panel, "targets") {
            let expr = text(target, "expr");
            for selector in selectors(expr) {
                for matcher in [("job", "~\"$job\""), ("instance", "~\"$instance\"")] {
                    assert!(
                        selector.matchers.contains(&matcher),
                        "{matcher:?} is missing in {expr}"
                    );
                }
                let rate = selector.function == "rate";
                assert_eq!(rate, selector.range == Some("$__rate_interval"), "{expr}");
                // A bucket for all time says nothing about now.
                assert!(rate || !selector.metric.ends_with("_bucket"), "{expr}");
            }
        }
    }
}

#[test]
fn it_shows_all_that_is_exported_and_nothing_else() {
    assert_eq!(mismatches(&dashboard(), &exported(&exposition())), [""; 0]);
}

#[test]
fn whoever_is_on_call_sees_all_on_one_screen_with_runbooks() {
    for (board, least) in [(oncall(), 5), (fleet(), 1)] {
        assert_one_screen(&board, least);
    }
}

/// And at least so many panels say by themselves that something is wrong.
#[track_caller]
fn assert_one_screen(board: &Value, least: usize) {
    let panels = items(board, "panels");
    assert!(panels.len() >= 10);
    let number = |panel: &Value, key: &str| panel["gridPos"][key].as_u64().expect("a number");
    for panel in panels {
        assert_ne!(text(panel, "type"), "row", "nothing is folded");
        // A full screen has room for about so many units of thirty pixels.
        assert!(number(panel, "y") + number(panel, "h") <= 22, "{panel}");
    }
    let thresholds = panels.iter().filter(|panel| {
        let steps = items(&panel["fieldConfig"]["defaults"]["thresholds"], "steps");
        steps.iter().any(|step| step["color"] == "red")
    });
    assert!(thresholds.count() >= least);
    let links = items(board, "links");
    let is_runbooks = |link: &Value| text(link, "url").ends_with("/RUNBOOKS.md");
    assert!(links.iter().any(is_runbooks));
    let exported = exported(&exposition());
    let wrong = mismatches(board, &exported);
    let wrong = wrong.iter().filter(|it| !it.ends_with("is on no panel"));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn starts_and_alerts_are_marked_on_every_dashboard() {
    let exported = exported(&exposition());
    for board in [dashboard(), oncall(), fleet()] {
        let [starts, alerts] = items(&board["annotations"], "list") else {
            panic!("what is marked on {}?", text(&board, "title"));
        };
        // A pod that is replaced is a new series, and tells when it began.
        assert_eq!(starts["useValueForTime"], true);
        let expr = text(starts, "expr");
        assert!(expr.ends_with(" * 1000"), "milliseconds: {expr}");
        for selector in selectors(expr) {
            assert!(exported.contains_key(selector.metric), "{selector:?}");
        }
        let expr = text(alerts, "expr");
        assert!(expr.starts_with("ALERTS{alertname=~\"Netpoller.*\", alertstate=\"firing\""));
        // One of a job, or of a process, has no instance, or no poller.
        for label in ["instance", "poller"] {
            assert!(expr.contains(&format!("{label}=~\"${label}|\"")), "{expr}");
        }
    }
}

/// The numbers of an expression after `sign`.
fn numbers_after(expr: &str, sign: &str) -> Vec<f64> {
    let after = expr.split(sign).skip(1);
    let words = after.filter_map(|it| it.split([' ', ')', '"']).next());
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_graph_shows_the_limit_of_its_alert() {
    let rules = read("rules/netpoller.yml");
    let alerts = alerts(&rules);
    let limit = |alert: &str| {
        let expr = alerts[alert].iter().find(|it| it.starts_with("expr: "));
        numbers_after(expr.expect("an expression"), " > ")
    };
    let boards = [dashboard(), oncall(), fleet()];
    for (board, title, of) in [
        (2, "Unpolled", "NetpollerNobodyPolls"),
        (0, "Unpolled", "NetpollerNobodyPolls"),
        (2, "Accept queue", "NetpollerAcceptStalled"),
        (2, "Open files", "NetpollerFilesRunOut"),
        (2, "Open files", "NetpollerFilesFill"),
        (2, "Late wakes (p99)", "NetpollerWakeupSlow"),
        (2, "Late deadlines (p99)", "NetpollerDeadlinesLate"),
        (1, "Late wakes and deadlines (p99)", "NetpollerWakeupSlow"),
        (1, "Nobody polls", "NetpollerNobodyPolls"),
        (1, "Accept queue", "NetpollerAcceptStalled"),
        (1, "Open files", "NetpollerFilesRunOut"),
        (1, "Open files", "NetpollerFilesFill"),
    ] {
        let panels = panels(&boards[board]);
        let panel = panels.iter().find(|panel| text(panel, "title") == title);
        let defaults = &panel.expect("a panel")["fieldConfig"]["defaults"];
        let steps = items(&defaults["thresholds"], "steps").iter();
        let shown: Vec<_> = steps.filter_map(|step| step["value"].as_f64()).collect();
        assert!(
            limit(of).iter().any(|limit| shown.contains(limit)),
            "{title}: {shown:?}, {of}: {:?}",
            limit(of)
        );
        if text(panel.expect("a panel"), "type") == "timeseries" {
            let style = &defaults["custom"]["thresholdsStyle"];
            assert_eq!(text(style, "mode"), "dashed", "{title}");
        }
    }
}

/// Where a panel leads.
fn links(panel: &Value) -> Vec<&str> {
    let links = items(&panel["fieldConfig"]["defaults"], "links");
    links.iter().map(|link| text(link, "url")).collect()
}

#[test]
fn a_number_leads_to_the_fleet_a_line_to_its_instance_and_a_finding_to_its_runbook() {
    let (dashboard, oncall, fleet) = (dashboard(), oncall(), fleet());
    let uids = [&dashboard, &oncall, &fleet].map(|board| text(board, "uid"));
    for panel in [&dashboard, &oncall, &fleet].into_iter().flat_map(panels) {
        for url in links(panel) {
            if let Some((uid, query)) = url.strip_prefix("/d/").and_then(|it| it.split_once('?')) {
                assert!(uids.contains(&uid), "{url}");
                assert!(query.starts_with("${datasource:queryparam}&"), "{url}");
                assert!(query.ends_with("&${__url_time_range}"), "{url}");
            } else {
                assert!(url.ends_with("RUNBOOKS.md#${__field.labels.lint}"), "{url}");
            }
        }
    }
    for panel in panels(&oncall) {
        let links = links(panel);
        assert!(!links.is_empty(), "{panel}");
        if text(panel, "type") == "stat" {
            assert!(links[0].starts_with("/d/netpoller-fleet?"), "{links:?}");
        }
    }
    for panel in [&dashboard, &oncall].into_iter().flat_map(panels) {
        if text(panel, "title") == "Findings by lint" {
            assert!(links(panel)[0].contains("RUNBOOKS.md#"), "{panel}");
        }
    }
    let is_graph = |panel: &&Value| text(panel, "type") == "timeseries";
    for panel in panels(&fleet).into_iter().filter(is_graph) {
        let title = text(panel, "title");
        let is_instance = |url: &&str| {
            let labels = ["job", "instance"];
            let chosen =
                |label| url.contains(&format!("&var-{label}=${{__field.labels.{label}}}&"));
            url.starts_with("/d/netpoller?") && labels.iter().all(chosen)
        };
        assert!(links(panel).iter().any(is_instance), "{title}");
        let targets = items(panel, "targets");
        for target in targets {
            let expr = text(target, "expr");
            assert!(expr.contains(" by (job, instance"), "{title}: {expr}");
        }
        let is_median = |target: &Value| {
            text(target, "legendFormat") == "median"
                && text(target, "expr").starts_with("quantile(0.5, ")
        };
        let stacked = text(
            &panel["fieldConfig"]["defaults"]["custom"]["stacking"],
            "mode",
        );
        assert_eq!(
            targets.iter().any(is_median),
            stacked == "none",
            "{title}: what is usual"
        );
    }
}

#[test]
fn a_metric_that_is_renamed_is_missed_under_both_names() {
    let renamed = exposition().replace("netpoller_waiters", "netpoller_sleepers");
    let wrong = mismatches(&dashboard(), &exported(&renamed));
    assert!(
        wrong
            .iter()
            .any(|w| w.ends_with("netpoller_waiters is not exported")),
        "{wrong:?}"
    );
    assert!(
        wrong.contains(&"netpoller_sleepers is on no panel".to_owned()),
        "{wrong:?}"
    );
}

#[test]
fn a_label_that_is_renamed_is_missed() {
    let renamed = exposition().replace("transition=\"park\"", "transition=\"sleep\"");
    let wrong = mismatches(&dashboard(), &exported(&renamed));
    assert!(
        wrong
            .iter()
            .any(|w| w.contains("netpoller_transitions_total has no transition="))
    );
}

#[test]
#[ignore = "needs python3"]
fn it_is_what_its_source_writes() {
    let output = Command::new(netpoller_tests::tool(&["python3"]))
        .arg(file("generate.py"))
        .arg("--check")
        .output()
        .expect("run python3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
#[ignore = "needs python3"]
fn an_installation_may_have_a_selector_runbooks_and_tags_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(netpoller_tests::tool(&["python3"]))
        .arg(file("generate.py"))
        .arg("--out")
        .arg(folder.path())
        .args(["--selector", "env=\"prod\"", "--tag", "storage"])
        .args(["--runbooks", "https://wiki/netpoller"])
        .output()
        .expect("run python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for name in ["netpoller.json", "oncall.json", "fleet.json"] {
        let written = std::fs::read_to_string(folder.path().join(name)).expect("a dashboard");
        let own = read(name);
        let chosen = "job=~\\\"$job\\\"";
        let selected = format!("env=\\\"prod\\\", {chosen}");
        assert!(written.matches(&selected).count() >= 10, "{name}");
        assert_eq!(
            written.matches(&selected).count(),
            own.matches(chosen).count()
        );
        assert_eq!(written.matches(chosen).count(), own.matches(chosen).count());
        assert!(written.contains("https://wiki/netpoller") && !written.contains("github.com"));
        let board: Value = serde_json::from_str(&written).expect("a dashboard is JSON");
        assert!(
            items(&board, "tags").contains(&Value::from("storage")),
            "{name}"
        );
    }
}

/// The alerts of the rules: their lines, by name.
fn alerts(rules: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut alerts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut alert = None;
    for line in rules.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            alert = Some(name);
        } else if line.starts_with("- ") {
            alert = None;
        }
        if let Some(name) = alert {
            alerts.entry(name).or_default().push(line);
        }
    }
    alerts
}

/// The lints that an expression asks for, as it is and as it stands in a file of rules.
fn lints(expr: &str) -> BTreeSet<&str> {
    let parts = expr.split("lint=").skip(1);
    let names = parts.filter_map(|part| {
        let part = part.trim_start_matches(['~', '\\', '"']);
        part.split(['\\', '"']).next()
    });
    names.flat_map(|names| names.split('|')).collect()
}

/// The lints of the alerts that are so grave.
fn lints_of<'a>(rules: &'a str, severity: &str) -> BTreeSet<&'a str> {
    let alerts = alerts(rules);
    let grave = format!("labels: {{severity: {severity}}}");
    let mut lints: BTreeSet<_> = alerts
        .values()
        .filter(|lines| lines.contains(&grave.as_str()))
        .flat_map(|lines| lines.iter().flat_map(|line| lints(line)))
        .collect();
    // Told by a metric of its own.
    if severity == "critical" {
        lints.insert("overdue-deadline");
    }
    lints
}

#[test]
fn red_is_what_wakes_somebody_and_orange_what_can_wait() {
    let rules = read("rules/netpoller.yml");
    for (board, title) in [
        (dashboard(), "Findings"),
        (oncall(), "Findings"),
        (fleet(), "With findings"),
    ] {
        let panels = panels(&board);
        let panel = |title: &str| {
            let mut found = panels.iter().filter(|panel| text(panel, "title") == title);
            *found.next().unwrap_or_else(|| panic!("no panel {title}"))
        };
        let colours = |thresholds: &Value| {
            let steps = items(thresholds, "steps").iter();
            steps
                .map(|step| text(step, "color").to_owned())
                .collect::<Vec<_>>()
        };
        let findings = panel(title);
        let targets = items(findings, "targets");
        for (target, severity) in targets.iter().zip(["critical", "warning"]) {
            let asked = lints(text(target, "expr"));
            assert_eq!(asked, lints_of(&rules, severity), "{title}: {severity}");
        }
        let config = &findings["fieldConfig"];
        assert_eq!(
            colours(&config["defaults"]["thresholds"]),
            ["green", "red"],
            "{title}"
        );
        let [milder] = items(config, "overrides") else {
            panic!("one target is told apart: {config}");
        };
        assert_eq!(milder["matcher"]["options"], targets[1]["refId"]);
        let [property] = items(milder, "properties") else {
            panic!("by its colours: {milder}");
        };
        assert_eq!(colours(&property["value"]), ["green", "orange"], "{title}");
        // Its alert is a warning.
        if title == "Findings" {
            let laws = panel("Laws violated");
            let thresholds = &laws["fieldConfig"]["defaults"]["thresholds"];
            assert_eq!(colours(thresholds), ["green", "orange"]);
        }
    }
}

/// The names of metrics in the expressions of rules.
fn metrics(rules: &str) -> BTreeSet<&str> {
    let expressions = rules
        .lines()
        .filter(|line| line.trim().starts_with("expr: "));
    let words = expressions.flat_map(|it| it.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words
        .filter(|word| word.starts_with("netpoller_"))
        .collect()
}

/// The lints that a runbook is of, each with its anchor.
fn findings(runbook: &str) -> BTreeSet<&str> {
    let anchors = runbook.split("<a id=\"").skip(1);
    let names = anchors.filter_map(|it| it.split_once("\"></a>`")?.1.split('`').next());
    let anchored = names.filter(|name| runbook.contains(&format!("<a id=\"{name}\"></a>`{name}`")));
    anchored.collect()
}

#[test]
fn every_alert_says_how_grave_it_is_and_has_a_runbook_that_says_how_to_confirm_it() {
    let (rules, runbooks) = (read("rules/netpoller.yml"), read("RUNBOOKS.md"));
    let alerts = alerts(&rules);
    assert!(alerts.len() >= 12);
    for (name, lines) in &alerts {
        for part in ["for: ", "labels: {severity: ", "summary: ", "description: "] {
            assert!(
                lines.iter().any(|line| line.starts_with(part)),
                "{name}: {part}"
            );
        }
        let link = format!("RUNBOOKS.md#{}\"", name.to_lowercase());
        assert!(
            lines.iter().any(|line| line.ends_with(&link)),
            "{name}: {link}"
        );
        let heading = format!("\n## {name}\n");
        let (_, rest) = runbooks
            .split_once(&heading)
            .unwrap_or_else(|| panic!("{name}"));
        let runbook = rest.split("\n## ").next().unwrap_or_default();
        for part in ["**Meaning:**", "**Confirm:**", "**Remedy:**"] {
            assert!(runbook.contains(part), "{name}: {part}");
        }
        let asks = runbook.contains("`netpoller ") || runbook.contains("`curl ");
        assert!(asks, "{name}: by which command?");
        let asked: BTreeSet<_> = lines.iter().flat_map(|line| lints(line)).collect();
        assert!(asked.is_subset(&findings(runbook)), "{name}: {asked:?}");
    }
    for lint in netpoller::view::lints::Lint::ALL {
        let of = runbooks
            .split("\n## ")
            .filter(|it| findings(it).contains(lint.name()));
        assert_eq!(
            of.count(),
            1,
            "{lint} has one runbook, and links lead to it"
        );
    }
    let headings = runbooks.lines().filter_map(|line| line.strip_prefix("## "));
    for heading in headings.filter(|it| *it != "How grave it is") {
        assert!(alerts.contains_key(heading), "{heading} is no alert");
    }
}

#[test]
fn an_alert_is_as_grave_as_the_doctor_says_or_the_runbooks_say_why_not() {
    use netpoller::view::lints::{Lint, Severity};
    let (rules, runbooks) = (read("rules/netpoller.yml"), read("RUNBOOKS.md"));
    let (_, rest) = runbooks
        .split_once("\n## How grave it is\n")
        .expect("a chapter");
    let chapter = rest.split("\n## ").next().unwrap_or_default();
    for lint in Lint::ALL {
        let severity = match lint.severity() {
            Severity::Error => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        let agrees = lints_of(&rules, severity).contains(lint.name());
        let excused = chapter.contains(&format!("`{lint}`"));
        assert_ne!(agrees, excused, "{lint}: {severity}");
    }
}

#[test]
fn every_metric_that_a_rule_asks_for_is_exported_and_every_lint_has_an_alert() {
    let exported = exported(&exposition());
    let rules = read("rules/netpoller.yml");
    for rules in [&rules, &read("rules/renamed.yml")] {
        for metric in metrics(rules) {
            // The last part of a name that a rule records.
            let recorded = rules.contains(&format!("record: poller:{metric}:"))
                || rules.contains(&format!("record: instance:{metric}:"));
            assert!(exported.contains_key(metric) || recorded, "{metric}");
        }
    }
    for lint in netpoller::view::lints::Lint::ALL {
        // A deadline that is overdue is counted by itself.
        let has_series = lint.name() == "overdue-deadline";
        assert!(has_series || rules.contains(lint.name()), "{lint}");
    }
}

#[test]
#[ignore = "needs prometheus and python3"]
fn each_alert_fires_when_it_should_and_is_silent_when_it_should_be() {
    netpoller_tests::tool(&["promtool"]);
    let output = Command::new(netpoller_tests::tool(&["python3"]))
        .arg(file("rules.py"))
        .arg("--test")
        .output()
        .expect("run python3");
    let said = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{said}");
}
