//! The guide: what it shows is what its commands print.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use netpoller_tests::eventually;
use netpoller_tests::program::{Killed, Running, netpoller};
use serde_json::Value;

/// A command, and what the guide shows below it.
struct Step {
    words: Vec<String>,
    shown: Vec<String>,
}

/// The words of a command line, in which quotes hold some together.
fn words(line: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.chars() {
        match (letter, all.last_mut()) {
            ('\'', _) => is_quoted = !is_quoted,
            (' ', _) if !is_quoted => all.push(String::new()),
            (letter, Some(word)) => word.push(letter),
            (_, None) => {}
        }
    }
    all.retain(|word| !word.is_empty());
    all
}

/// The commands of an investigation, in their order.
fn steps(number: usize) -> Vec<Step> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide.md");
    let guide = std::fs::read_to_string(path).expect("the guide");
    let chapter = guide.split("\n## ").nth(number).expect("a chapter");
    assert!(chapter.starts_with(&format!("{number}. ")), "{chapter}");
    let blocks = chapter.split("```console\n").skip(1);
    let blocks = blocks.map(|it| it.split("```").next().unwrap_or_default());
    let step = |block: &str| {
        let mut lines = block.lines();
        let command = lines.next().and_then(|line| line.strip_prefix("$ "));
        Step {
            words: words(command.expect("a command")),
            shown: lines.map(str::to_owned).collect(),
        }
    };
    blocks.map(step).collect()
}

/// What is the same each time: words without a digit, and not the shortest ones.
fn lasting(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().filter(|word| {
        word.len() > 3 && !word.contains(|it: char| it.is_ascii_digit() || it == '…')
    })
}

/// Follows an investigation of the demo.
fn follow(number: usize) {
    let mut steps = steps(number).into_iter();
    let demo = steps.next().expect("the demo");
    assert_eq!(demo.words[..2], ["netpoller", "demo"]);
    let scratch = tempfile::tempdir().expect("a directory");
    let mut command = netpoller(scratch.path());
    command.args(&demo.words[1..]).args(["--for", "300s"]);
    let demo = Running::start(scratch, command, &["attach with: "]);
    assert_shown(steps, |arguments| demo.ask(arguments));
}

/// Asks each command until it prints what is shown.
fn assert_shown(steps: impl Iterator<Item = Step>, ask: impl Fn(&[&str]) -> Output) {
    let mut asked = 0;
    for step in steps {
        assert_eq!(step.words[0], "netpoller");
        assert!(!step.shown.is_empty(), "{:?}", step.words);
        let arguments: Vec<&str> = step.words[1..].iter().map(String::as_str).collect();
        eventually(&format!("what is shown of {arguments:?}"), || {
            let printed = ask(&arguments);
            let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
            let is_there = |line: &String| lasting(line).all(|word| printed.contains(word));
            let missing: Vec<_> = step.shown.iter().filter(|line| !is_there(line)).collect();
            // Lines may be broken elsewhere, and a number may say more or less.
            (missing.len() * 10 <= step.shown.len()).then_some(())
        });
        asked += 1;
    }
    assert!(asked > 1);
}

#[test]
fn a_peer_that_reads_nothing_is_found_as_the_guide_says() {
    follow(1);
}

#[test]
fn a_task_that_keeps_its_thread_is_found_as_the_guide_says() {
    follow(2);
}

#[test]
fn a_connection_that_nobody_closes_is_found_as_the_guide_says() {
    follow(3);
}

/// What the shop answers, or nothing while it does not.
fn order(shop: &str, what: &str) -> std::io::Result<String> {
    let host = shop.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host)?;
    write!(stream, "GET /{what} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
#[ignore = "needs several releases of Go"]
fn a_lock_that_a_service_in_go_holds_is_found_as_the_guide_says() {
    let releases = netpoller_tests::go::releases();
    let go = releases.last().expect("one of them");
    let scratch = tempfile::tempdir().expect("a directory");
    let program = scratch.path().join("shop");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/shop");
    netpoller_tests::go::build(go, &source, &program);
    let mut shop = Command::new(program);
    let shop = shop.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut shop = Killed(shop);
    let mut address = String::new();
    let said = shop.0.stdout.take().expect("piped");
    BufReader::new(said)
        .read_line(&mut address)
        .expect("its address");
    for what in ["order", "audit"] {
        let answer = order(address.trim(), what).expect("an answer");
        assert!(answer.contains("42"), "{answer}");
    }
    let orders: Vec<_> = (0..3)
        .map(|_| {
            let address = address.clone();
            std::thread::spawn(move || order(address.trim(), "order"))
        })
        .collect();
    let target = format!("pid:{}", shop.0.id());
    let ask = |arguments: &[&str]| {
        let mut command = netpoller(scratch.path());
        command.args(["-t", &target]).args(arguments);
        command.output().expect("it runs")
    };
    let audit = eventually("the ledger waits for the audit", || {
        let line = "location~main.go:34";
        let waits = ask(&["ls", "waiters", "-w", line, "--format", "json"]);
        let waits: Value = serde_json::from_slice(&waits.stdout).ok()?;
        waits["items"][0]["fd"].as_u64()
    });
    let audit = audit.to_string();
    assert_shown(steps(4).into_iter(), |arguments| {
        assert_eq!(arguments[..2], ["-t", "pid:4242"]);
        let others = arguments[2..].iter();
        // The number of its descriptor is another one each time.
        let these: Vec<_> = others
            .map(|it| if *it == "9" { &audit } else { *it })
            .collect();
        ask(&these)
    });
    assert!(
        orders.iter().all(|it| !it.is_finished()),
        "none is answered"
    );
    drop(shop);
    for order in orders {
        let answer = order.join().expect("no panic");
        assert!(!answer.unwrap_or_default().contains("42"));
    }
}
