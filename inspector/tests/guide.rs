//! The guide: what it shows is what its commands print.

use std::path::Path;

use netpoller_tests::eventually;
use netpoller_tests::program::{Running, netpoller};

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

/// Follows an investigation: the demo, and then each command until it prints what is shown.
fn follow(number: usize) {
    let mut steps = steps(number).into_iter();
    let demo = steps.next().expect("the demo");
    assert_eq!(demo.words[..2], ["netpoller", "demo"]);
    let scratch = tempfile::tempdir().expect("a directory");
    let mut command = netpoller(scratch.path());
    command.args(&demo.words[1..]).args(["--for", "300s"]);
    let demo = Running::start(scratch, command, &["attach with: "]);
    let mut asked = 0;
    for step in steps {
        assert_eq!(step.words[0], "netpoller");
        assert!(!step.shown.is_empty(), "{:?}", step.words);
        let arguments: Vec<&str> = step.words[1..].iter().map(String::as_str).collect();
        eventually(&format!("what is shown of {arguments:?}"), || {
            let printed = demo.ask(&arguments);
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
