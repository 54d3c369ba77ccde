//! `netpoller leaks` on a live process: this one, with a leak of known size at one line and
//! connections that come and go at another.

use std::io::{BufRead, BufReader, Lines};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use netpoller::{Desc, Kind, Poller, inspect};
use netpoller_tests::program::{Killed, netpoller};
use serde_json::Value;
use tempfile::TempDir;

/// A poller of this process, and its endpoint.
struct Process {
    poller: Poller,
    endpoint: inspect::Server,
    scratch: TempDir,
}

impl Process {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let place = inspect::Listen::Unix(scratch.path().join("s"));
        Self {
            poller: Poller::builder().build().expect("a poller"),
            endpoint: inspect::Server::builder()
                .listen(place)
                .start()
                .expect("an endpoint"),
            scratch,
        }
    }

    fn leaks(&self, arguments: &[&str]) -> Command {
        let mut command = netpoller(Path::new(self.scratch.path()));
        command
            .args(["leaks", "-t", self.endpoint.target()])
            .args(arguments);
        command
    }

    /// What it prints.
    #[track_caller]
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.leaks(arguments).output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// A descriptor, and the socket that it stands for with its peer; given up in this order.
type Open = (Desc, UnixStream, UnixStream);

/// Opens one at the line of the caller.
#[track_caller]
fn open(poller: &Poller) -> Open {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("it is a socket");
    let desc = poller.open(ours.as_fd(), Kind::Unix).expect("registered");
    (desc, ours, theirs)
}

fn at(line: u32) -> String {
    format!("inspector/tests/leaks.rs:{line}")
}

/// Reads lines of JSON until one is of this site and has this value.
#[track_caller]
fn read_until(
    lines: &mut Lines<BufReader<ChildStdout>>,
    site: &str,
    field: &str,
    value: u64,
) -> Value {
    loop {
        let line = lines.next().expect("it goes on").expect("a line");
        let item: Value = serde_json::from_str(&line).expect("JSON");
        if item["site"].as_str().is_some_and(|it| it.ends_with(site)) && item[field] == value {
            return item;
        }
    }
}

#[test]
fn a_leak_and_churn_are_told_apart_by_exact_numbers() {
    const KEPT: u64 = 37;
    const CHURNED: u64 = 250;
    let process = Process::new();
    let poller = &process.poller;
    let pool: Vec<_> = (0..100).map(|_| open(poller)).collect();
    let pooled = at(line!() - 1);

    let arguments = ["--watch", "--interval", "100ms", "-f", "jsonl"];
    let mut command = process.leaks(&arguments);
    let mut child = Killed(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    // It has looked for the first time.
    let before = read_until(&mut lines, &pooled, "live", 100);
    assert_eq!(
        (&before["grown"], &before["opened"]),
        (&0.into(), &0.into())
    );

    let mut kept = Vec::new();
    for _ in 0..KEPT {
        kept.push(open(poller));
    }
    let leaks = at(line!() - 2);
    for _ in 0..CHURNED {
        drop(open(poller));
    }
    let churns = at(line!() - 2);
    // An eviction closes nothing, and a sleep is no descriptor.
    kept[0].0.unblock();
    netpoller::block_on_poller(poller, netpoller::time::sleep(std::time::Duration::ZERO));

    let leak = read_until(&mut lines, &leaks, "live", KEPT);
    for (field, value) in [
        ("grown", KEPT),
        ("opened", KEPT),
        ("closed", 0),
        ("opened_total", KEPT),
    ] {
        assert_eq!(leak[field], value, "{field} of {leak:#}");
    }
    let states = leak["groups"].as_array().expect("groups").iter();
    let states: Vec<_> = states
        .map(|it| {
            (
                it["state"].as_str().expect("a state"),
                it["live"].as_u64(),
                it["grown"].as_i64(),
            )
        })
        .collect();
    assert_eq!(
        states,
        [
            ("unix", Some(KEPT - 1), Some(36)),
            ("closing", Some(1), Some(1))
        ]
    );
    let churn = read_until(&mut lines, &churns, "closed_total", CHURNED);
    for (field, value) in [
        ("grown", 0),
        ("opened", CHURNED),
        ("closed", CHURNED),
        ("live", 0),
    ] {
        assert_eq!(churn[field], value, "{field} of {churn:#}");
    }
    let rests = read_until(&mut lines, &pooled, "live", 100);
    assert_eq!(
        (&rests["grown"], &rests["opened_total"]),
        (&0.into(), &100.into())
    );

    // What was opened before its first look has not grown; so those that have most open come first.
    let document: Value =
        serde_json::from_str(&process.said(&["--interval", "100ms", "-f", "json"])).expect("JSON");
    assert_eq!(document["schema"], "netpoller/v1/leaks");
    let sites = document["items"].as_array().expect("items").iter();
    let own: Vec<_> = sites
        .filter_map(|it| it["site"].as_str())
        .filter(|site| {
            [&pooled, &leaks, &churns]
                .iter()
                .any(|it| site.ends_with(*it))
        })
        .collect();
    let ends = [&pooled, &leaks, &churns];
    assert!(
        own.iter().zip(ends).all(|(site, end)| site.ends_with(end)),
        "{own:?}"
    );
    assert_eq!(own.len(), 3);
    drop((pool, kept));
}

#[test]
fn text_is_a_line_for_each_site_with_its_parts_below_and_csv_a_record_for_each_part() {
    let process = Process::new();
    let poller = &process.poller;
    let kept: Vec<_> = (0..3).map(|_| open(poller)).collect();
    let site = at(line!() - 1);
    let text = process.said(&["--interval", "100ms", "-f", "wide"]);
    let mut lines = text.lines();
    let summary = lines.next().expect("a summary");
    assert!(
        summary.contains(" open, from ") && summary.contains(" opened and "),
        "{summary}"
    );
    let titles = lines.next().expect("titles");
    for title in [
        "SITE", "LIVE", "GROWN", "OPENED", "CLOSED", "AGE P50", "OLDEST", "ID",
    ] {
        assert!(titles.contains(title), "{titles}");
    }
    let line = lines.find(|line| line.contains(&site)).expect("the site");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(
        words[1..8],
        ["-", "unix", "3", "0", "0", "0", "0"],
        "{line}"
    );
    let id = format!("{}/{}", poller.name(), kept[0].0.id());
    assert_eq!(words.last(), Some(&id.as_str()));

    let csv = process.said(&["--interval", "100ms", "-f", "csv"]);
    let mut records = csv::Reader::from_reader(csv.as_bytes());
    let names = records.headers().expect("names").clone();
    let of_site = |it: &csv::StringRecord| it[0].ends_with(&site);
    let record = records
        .records()
        .map(|it| it.expect("a record"))
        .find(of_site);
    let record = record.expect("the site");
    let field = |name: &str| {
        let index = names.iter().position(|it| it == name);
        &record[index.unwrap_or_else(|| panic!("no {name} in {names:?}"))]
    };
    for (name, value) in [
        ("peer", ""),
        ("state", "unix"),
        ("live", "3"),
        ("grown", "0"),
        ("site_live", "3"),
        ("site_opened_total", "3"),
        ("site_closed_total", "0"),
        ("oldest_id", &id),
    ] {
        assert_eq!(field(name), value, "{name}");
    }
    for name in ["age_p50_ns", "oldest_age_ns", "interval_ns"] {
        assert!(field(name).parse::<u64>().is_ok_and(|ns| ns > 0), "{name}");
    }
}

#[test]
fn a_watch_ends_after_so_many_looks_and_what_makes_no_sense_is_refused() {
    let process = Process::new();
    let _open = open(&process.poller);
    let arguments = ["--watch", "-C", "2", "--interval", "100ms", "-f", "csv"];
    let text = process.said(&arguments);
    assert_eq!(
        text.matches("site_opened_total").count(),
        1,
        "one list of names"
    );
    for (arguments, words) in [
        (&["-C", "2"][..], "--watch"),
        (&["-w", "fd=1"], "ls -w"),
        (&["--sort", "live"], "those that grow first"),
        (&["--interval", "1ms"], "100ms"),
    ] {
        let output = process.leaks(arguments).output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}
