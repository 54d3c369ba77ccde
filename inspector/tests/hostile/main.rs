//! The command against targets that mean harm: every verb in every format, and the terminal UI,
//! against every way in which a server can be hostile. Nothing that a terminal would obey comes
//! through, memory is bounded, and it ends in time with a code that is documented.

mod ends;
mod liar;
mod messages;
mod process;
mod server;
mod targets;
mod terminal;

use std::sync::Mutex;
use std::time::Duration;

use process::{MOST_MEMORY, run, run_asked};
use server::{Hostile, Mode};
use tempfile::TempDir;

/// Nothing takes that long but a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// SIGTERM, by which what follows a process for ever is ended here: a shell lets what it runs
/// behind it ignore ctrl-C.
pub(crate) const ENDED: i32 = 143;

/// README.md lists them.
const DOCUMENTED: [i32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 124, ENDED];

const MODES: [Mode; 23] = [
    Mode::Error(3),
    Mode::Error(5),
    Mode::Error(13),
    Mode::ErrorFirst(14),
    Mode::ErrorFirst(16),
    Mode::Skew,
    Mode::Details,
    Mode::EmptyPages,
    Mode::SlowPages,
    Mode::Pages,
    Mode::Endless,
    Mode::Bomb,
    Mode::Hang,
    Mode::HangFirst,
    Mode::Length,
    Mode::Truncated,
    Mode::Compressed,
    Mode::Nonsense,
    Mode::NotUtf8,
    Mode::NoTrailers,
    Mode::Reset,
    Mode::Http,
    Mode::Garbage,
];

/// Every verb that asks a process.
const VERBS: [&[&str]; 21] = [
    &["ls"],
    &["ls", "waiters"],
    &["ls", "deadlines"],
    &["ls", "pollers"],
    &["ls", "-n", "5", "--sort", "label"],
    &["ls", "-w", r"label=\u{1b}]0;"],
    &["describe", "global/1.1"],
    &["describe", "fd:7"],
    &["stats"],
    &["hist", "--interval", "100ms"],
    &["hist", "nope", "--interval", "100ms"],
    &["hist", "--by", "location", "--for", "200ms"],
    &["top", "--count", "2", "--interval", "100ms"],
    &["watch", "--interval", "100ms", "-n", "30"],
    &["events", "-n", "50"],
    &["events", "--dump"],
    &["audit"],
    &["doctor"],
    &["leaks", "--interval", "100ms"],
    &["doctor", "--list"],
    &["diff", "--no-doctor", "--interval", "100ms"],
];

fn all(cases: Vec<(Mode, Vec<String>)>) {
    let scratch = TempDir::new().expect("make a directory");
    let cases = Mutex::new(cases.into_iter().enumerate());
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        // No more: what the kernel tells of a child's memory begins with that of its parent.
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = cases.lock().expect("the cases").next();
                    let Some((number, (mode, words))) = next else {
                        return;
                    };
                    let server = Hostile::start(mode, scratch.path(), &format!("{number}.sock"));
                    if let Err(why) = check(&server, &words) {
                        let mut failures = failures.lock().expect("the failures");
                        failures.push(format!("{mode:?} {}: {why}", words.join(" ")));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("the failures");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check(server: &Hostile, words: &[String]) -> Result<(), String> {
    let timeout = "1s".to_owned();
    let target = format!("unix:{}", server.socket.display());
    let mut arguments = vec!["-t".to_owned(), target.clone(), "--timeout".into(), timeout];
    arguments.extend(words.iter().cloned());
    if words[0] == "evict" || words[0] == "break" {
        arguments.extend(["--control".into(), target]);
    }
    let seen = run(&arguments);
    let said = || format!("{}\n{}", &cut(&seen.stdout), cut(&seen.stderr));
    if let Some(letter) = strange(&seen.stdout).or_else(|| strange(&seen.stderr)) {
        return Err(format!("{letter:?} came through: {:?}", said()));
    }
    if !DOCUMENTED.contains(&seen.code) {
        return Err(format!("ended with {}: {}", seen.code, said()));
    }
    if seen.memory > MOST_MEMORY {
        return Err(format!("took {} MiB", seen.memory >> 20));
    }
    Ok(())
}

fn cut(text: &str) -> String {
    text.chars().take(2_000).collect()
}

/// What a terminal would obey, hide or put elsewhere.
pub(crate) fn strange(text: &str) -> Option<char> {
    text.chars().find(|letter| {
        *letter != '\n'
            && (letter.is_control()
                || matches!(*letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e000}'..='\u{f8ff}'
                    | '\u{e0000}'..='\u{e0fff}'))
    })
}

fn words(verb: &[&str]) -> Vec<String> {
    verb.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn every_verb_survives_every_hostile_target() {
    let mut cases = Vec::new();
    for mode in MODES {
        cases.extend(VERBS.map(|verb| (mode, words(verb))));
        cases.push((mode, words(&["evict", "global/1.1", "-y"])));
        cases.push((mode, words(&["break"])));
    }
    all(cases);
}

/// What is to be confirmed names what the target has told, and must be what is asked.
#[test]
fn what_a_person_is_asked_to_confirm_is_rewritten_by_no_target() {
    let scratch = TempDir::new().expect("make a directory");
    let server = Hostile::start(Mode::Named, scratch.path(), "named.sock");
    let target = format!("unix:{}", server.socket.display());
    let arguments = words(&["-t", &target, "evict", "fd:7", "--control", &target]);
    let seen = run_asked(&arguments, "n\n");
    assert_eq!(seen.code, 7, "{:?}", seen.stderr);
    assert_eq!(strange(&seen.stderr), None, "{:?}", seen.stderr);
    let lines: Vec<&str> = seen.stderr.lines().collect();
    let is_whole =
        |line: &str| line.starts_with("evict ") && line.ends_with("cannot use it any more");
    assert!(
        is_whole(lines[0]) && lines[0].contains("forged"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("Go on? [y/N]"), "{lines:?}");
}

#[test]
fn every_format_carries_random_messages_without_what_a_terminal_obeys() {
    let formats = ["table", "wide", "json", "jsonl", "csv"];
    let mut cases = Vec::new();
    for seed in 1..=3 {
        for verb in VERBS {
            for format in formats {
                let mut words = words(verb);
                words.extend(["-f".into(), format.into()]);
                cases.push((Mode::Random(seed * 1_000), words));
            }
        }
        for verb in [&["evict", "fd:7", "-y"][..], &["evict", "fd:7"], &["break"]] {
            cases.push((Mode::Random(seed), words(verb)));
        }
    }
    all(cases);
}

#[test]
fn tables_without_end_take_a_bounded_memory() {
    let mut cases = Vec::new();
    for mode in [Mode::FatPages, Mode::Pages, Mode::Endless] {
        for format in ["table", "json"] {
            cases.push((mode, words(&["ls", "--timeout", "60s", "-f", format])));
        }
        cases.push((
            mode,
            words(&["watch", "--interval", "100ms", "--timeout", "60s"]),
        ));
        cases.push((mode, words(&["hist", "--by", "task", "--for", "1min"])));
        cases.push((
            mode,
            words(&["events", "--dump", "-f", "json", "--timeout", "10s"]),
        ));
    }
    all(cases);
}
