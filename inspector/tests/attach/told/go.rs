//! A Go process.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use netpoller_tests::program::{Killed, netpoller};
use serde_json::Value;

use super::{CHANGES, Dice, ENOUGH, ROUNDS, Tally, by_fd, items, sides, waiter};
use crate::truth::Service;

/// Deadlines are told exactly. But the service knows its own by another clock.
const APART_NS: u64 = 50_000_000;

/// Compares a direction: `told` of `ls` or of `ls waiters`, if that has it.
fn compare_side(tally: &mut Tally, what: &str, told: Option<&Value>, side: &Value, offset_ns: i64) {
    let truth = &side["waiter"];
    let waiters = match truth {
        Value::Null => &[][..],
        it => std::slice::from_ref(it),
    };
    let Some(told) = tally.state(what, told, waiters) else {
        return;
    };
    let mut is_right = compare_deadline(tally, what, told, side, offset_ns);
    if !truth.is_null() {
        let file = truth["file"].as_str().unwrap_or("");
        let line = format!("{file}:{}", truth["line"]);
        let task = format!("G{}", truth["goroutine"]);
        for (name, truth) in [
            ("location", line.into()),
            ("task", task.into()),
            ("reason", truth["state"].clone()),
        ] {
            is_right &= tally.same(&format!("{what}, {name}"), &waiter(told)[name], &truth);
        }
    }
    tally.lines += usize::from(!truth.is_null());
    tally.count(is_right, !truth.is_null());
}

fn compare_deadline(
    tally: &mut Tally,
    what: &str,
    told: &Value,
    side: &Value,
    offset_ns: i64,
) -> bool {
    let told_ns = told["deadline_ns"].as_u64();
    let is_right = match side["deadline_unix_ns"].as_i64().expect("a number") {
        0 => told_ns.is_none() && told["deadline_expired"] != true,
        _ if side["has_passed"] == true => told["deadline_expired"] == true,
        wall => told_ns.is_some_and(|told| {
            let truth = u64::try_from(wall - offset_ns).expect("after the machine started");
            told.abs_diff(truth) < APART_NS
        }),
    };
    if !is_right {
        let told = [&told["deadline_ns"], &told["deadline_expired"]];
        let wrong = format!("{what}: deadline {told:?}, but {side}");
        tally.wrong.push(wrong);
    }
    is_right
}

/// All that `netpoller watch` has printed in the end.
fn watch(service: &Service) -> (Killed, JoinHandle<Vec<Value>>) {
    let target = format!("pid:{}", service.pid());
    let mut command = netpoller(service.scratch.path());
    command.args(["-t", &target, "-f", "jsonl", "watch"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = Killed(child.expect("it runs"));
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    // The last one is cut when it ends.
    let lines = lines.map_while(Result::ok);
    let rows = lines.map_while(|line| serde_json::from_str(&line).ok());
    (child, thread::spawn(move || rows.collect()))
}

/// Since when at most each goroutine has waited, as it has noted itself: all that is known.
#[derive(Default)]
struct Noted(HashMap<u64, Vec<u64>>);

impl Noted {
    fn take(&mut self, truth: &Value) {
        for side in sides(truth).values() {
            let waiter = &side["waiter"];
            if let (Some(goroutine), Some(since)) = (
                waiter["goroutine"].as_u64(),
                waiter["since_monotonic_ns"].as_u64(),
            ) {
                self.0.entry(goroutine).or_default().push(since);
            }
        }
    }

    /// Compares what `watch` has told: how old waits were, and those that were too old.
    fn compare(&self, lines: &[Value]) -> (usize, Vec<String>) {
        let (mut compared, mut wrong) = (0, Vec::new());
        let mut rows: HashMap<&str, &Value> = HashMap::new();
        let mut before_ns = 0;
        for look in lines.chunk_by(|one, next| one["captured_at_ns"] == next["captured_at_ns"]) {
            for line in look {
                let id = line["id"].as_str().expect("a row has one");
                match line["read"].is_null() {
                    true => rows.remove(id),
                    false => rows.insert(id, line),
                };
            }
            for row in rows.values() {
                for direction in ["read", "write"] {
                    let side = &row[direction];
                    let (Some(since), Some(task)) = (
                        side["since_ns"].as_u64(),
                        side["waiter"]["task_id"].as_u64(),
                    ) else {
                        continue;
                    };
                    let Some(noted) = self.0.get(&task) else {
                        continue;
                    };
                    // What it noted before the last look was over, this look has surely seen.
                    let noted = noted.iter().filter(|it| **it <= before_ns).max();
                    compared += usize::from(noted.is_some());
                    if let Some(noted) = noted.filter(|it| **it > since) {
                        wrong.push(format!("since {since}, but {noted}: {row}"));
                    }
                }
            }
            before_ns = look[0]["captured_at_ns"].as_u64().expect("a time");
        }
        (compared, wrong)
    }
}

/// Does something, or is refused.
fn change(service: &mut Service, dice: &mut Dice, ids: &mut [(u64, &str)], places: &Value) {
    let at = dice.below(ids.len());
    let (id, kind) = ids[at];
    let direction = *dice.one(&["read", "read", "write"]);
    // Deadlines that pass and loops do not go together: the loop would never wait again.
    let passes = id % 4 == 0;
    let ends = *dice.one(&["wake", "serve"]);
    let command = match dice.below(10) {
        0..=3 => {
            let places = match (kind, direction) {
                ("listener", _) => &places["accept"],
                _ => &places[direction],
            };
            let place = dice.one(places.as_array().expect("places"));
            let place = place.as_str().expect("a name");
            if place == "loop" && passes {
                return;
            }
            format!("park {id} {direction} {place}")
        }
        4 | 5 => format!("again {id} read {ends}"),
        6 => format!("{ends} {id} {direction}"),
        7 => format!("deadline {id} {direction} none"),
        8 => {
            let after_ns = match passes {
                true => *dice.one(&["-1", "1000000", "50000000", "3600000000000"]),
                false => *dice.one(&["3600000000000", "7200000000000"]),
            };
            format!("deadline {id} {direction} {after_ns}")
        }
        _ if dice.below(4) == 0 => {
            if service.ask(&format!("close {id}")).is_err() {
                return;
            }
            let opened = service.obey(&format!("open {kind}"));
            ids[at].0 = opened["opened"][0].as_u64().expect("a number");
            return;
        }
        _ => format!("again {id} read {ends}"),
    };
    // What cannot be done is refused, and changes nothing.
    drop(service.ask(&command));
}

/// Opens descriptors, and lets goroutines wait.
fn prepare(service: &mut Service, places: &Value) -> Vec<(u64, &'static str)> {
    let mut ids = Vec::new();
    for kind in ["tcp", "unix", "udp", "listener", "pipe"] {
        for _ in 0..5 {
            let opened = service.obey(&format!("open {kind}"));
            let opened = opened["opened"].as_array().expect("numbers");
            ids.extend(opened.iter().filter_map(|it| Some((it.as_u64()?, kind))));
        }
    }
    for (id, kind) in &ids {
        let place = match *kind {
            "listener" => "plain",
            _ => "loop",
        };
        if id % 4 != 0 {
            drop(service.ask(&format!("park {id} read {place}")));
        }
    }
    for place in [
        "receive",
        "send",
        "select-none",
        "sleep",
        "mutex",
        "rwmutex",
        "waitgroup",
    ] {
        service.obey(&format!("wait {place} 3"));
    }
    assert!(places["read"].as_array().is_some_and(|it| it.len() > 8));
    service.obey("churn 2");
    ids
}

/// Compares the calls of who waits with what `describe` tells of them, at each of the places.
fn describe(service: &mut Service, places: &Value, tally: &mut Tally) {
    let mut parked = Vec::new();
    for (names, kind, direction) in [
        ("read", "tcp", "read"),
        ("write", "unix", "write"),
        ("accept", "listener", "read"),
    ] {
        for place in places[names].as_array().expect("names") {
            let opened = service.obey(&format!("open {kind}"));
            let id = opened["opened"][0].as_u64().expect("a number");
            let place = place.as_str().expect("a name");
            service.obey(&format!("park {id} {direction} {place}"));
            parked.push((id, direction));
        }
    }
    assert!(parked.len() > 20, "{places}");
    let truth = service.obey("truth");
    let descriptors = truth["descriptors"].as_array().expect("descriptors");
    for (id, direction) in parked {
        let it = descriptors.iter().find(|it| it["id"] == id);
        let it = it.expect("it is open");
        let selector = format!("fd:{}", it["fd"]);
        let rows = items(service, &["describe", &selector]);
        let row = rows.iter().find(|it| it["poller"] != "unpolled");
        let stack = row.and_then(|row| row[direction]["waiter"]["stack"].as_array());
        let calls: Vec<String> = stack.into_iter().flatten().filter_map(shown).collect();
        let side = &it[direction]["waiter"];
        let what = format!("describe {}", side["place"]);
        if side["stack"] != Value::from(&*calls) {
            let truth = &side["stack"];
            tally
                .wrong
                .push(format!("{what}: {calls:#?}, but {truth:#}"));
        } else {
            tally.right += 1;
        }
    }
}

/// A call as Go itself shows it; `None` for what it leaves out, as how a goroutine waits.
fn shown(call: &Value) -> Option<String> {
    let function = match call["function"].as_str()? {
        "runtime.gopanic" => "panic",
        function if function.starts_with("runtime.") => return None,
        function => function,
    };
    Some(format!("{function} {}", call["location"].as_str()?))
}

fn compare(go: &Path) {
    let mut service = Service::of_go(go);
    let places = service.obey("places");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut ids = prepare(&mut service, &places);
    let (watching, lines) = watch(&service);
    let (mut tally, mut noted) = (Tally::default(), Noted::default());
    for _ in 0..ROUNDS {
        for _ in 0..CHANGES {
            change(&mut service, &mut dice, &mut ids, &places);
        }
        let before = service.obey("truth");
        let rows = items(&service, &["ls"]);
        let waiters = items(&service, &["ls", "waiters"]);
        let after = service.obey("truth");
        noted.take(&before);
        noted.take(&after);
        let (rows, after) = (by_fd(&rows), sides(&after));
        let wall = before["now_unix_ns"].as_i64().expect("a time");
        let offset_ns = wall - before["now_monotonic_ns"].as_i64().expect("a time");
        for (key, side) in sides(&before) {
            // A deadline may have passed meanwhile.
            if after.get(&key) != Some(&side) {
                continue;
            }
            let (fd, direction) = key;
            let what = format!("{fd} {direction}");
            let row = rows.get(&fd).filter(|it| it["torn"] != true);
            let told = row.map(|it| &it[direction]);
            compare_side(&mut tally, &what, told, side, offset_ns);
            let of_it = |it: &&Value| it["fd"] == fd && it["dir"] == direction;
            let waiter = waiters.iter().find(of_it);
            if !side["waiter"].is_null() {
                let what = format!("waiter {what}");
                compare_side(&mut tally, &what, waiter, side, offset_ns);
            } else if let Some(waiter) = waiter {
                tally.wrong.push(format!("nobody waits: {waiter}"));
            }
        }
    }
    drop(watching);
    let lines = lines.join().expect("JSON");
    let (ages, too_old) = noted.compare(&lines);
    tally.wrong.extend(too_old);
    describe(&mut service, &places, &mut tally);
    count(&mut service, &mut tally);
    let release = service.obey("truth")["go"].clone();
    println!("{release}: {ages} ages");
    tally.assert_right(&release.to_string());
    assert!(ages >= ENOUGH / 10, "{release}: {ages} ages");
}

/// Compares how many goroutines do what, once those of connections that come and go are gone.
fn count(service: &mut Service, tally: &mut Tally) {
    service.obey("churn 0");
    let truth = service.obey("truth");
    let stats = items(service, &["stats"]);
    let mut told = stats
        .iter()
        .map(|it| &it["tasks"])
        .filter(|it| it["IO wait"] != Value::Null);
    let told = told.next().expect("there is a set of the runtime");
    for (state, count) in truth["states"].as_object().expect("states") {
        let (told, truth) = (
            told[state].as_u64().unwrap_or(0),
            count.as_u64().expect("a number"),
        );
        // The runtime's own, and those of connections that close, may do the same.
        let few = [3, 12][usize::from(state == "IO wait")];
        match (truth..=truth + few).contains(&told) {
            true => tally.right += 1,
            false => tally.wrong.push(format!("{told} in {state}, but {truth}")),
        }
    }
}

/// Of all that it tells, nothing is wrong, and little is left out.
#[test]
#[ignore = "needs several releases of Go"]
fn what_is_told_of_a_go_process_is_what_it_says_itself() {
    let releases: Vec<PathBuf> = netpoller_tests::go::releases();
    thread::scope(|scope| {
        for go in &releases {
            scope.spawn(move || compare(go));
        }
    });
}
