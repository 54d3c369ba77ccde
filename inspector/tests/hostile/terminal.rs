//! The terminal UI: in front of a hostile target, and on a terminal that is hostile itself.

use std::path::Path;
use std::time::{Duration, Instant};

use netpoller_tests::pty::Session;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::ends::Service;
use crate::process::{MOST_MEMORY, command, end};
use crate::server::{Hostile, Mode};
use crate::{PATIENCE, strange};

/// What a program writes when it takes the terminal over.
const TAKES_OVER: &str = "\x1b[?1049h";

#[track_caller]
fn open(socket: &Path) -> Session {
    let mut command = command();
    command
        .arg("-t")
        .arg(socket)
        .args(["--timeout", "3s", "--interval", "100ms", "tui"]);
    Session::start(&mut command, 140, 40)
}

/// Has it draw everything anew: what it draws otherwise is only what differs.
fn redraw(session: &Session, columns: u16) {
    session.resize(columns, 40);
    kill_process(Pid::from_child(&session.child), Signal::WINCH).expect("tell it");
}

/// What is left of the stream without the sequences that the UI itself writes: `ESC [`, numbers, a
/// letter.
fn without_sequences(text: &str) -> String {
    let mut rest = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' && letters.peek() == Some(&'[') {
            letters.next();
            let mut sequence = String::new();
            for letter in letters.by_ref() {
                sequence.push(letter);
                if ('\x40'..='\x7e').contains(&letter) {
                    break;
                }
            }
            assert!(!sequence.contains("31337"), "ESC [ {sequence} came through");
            assert!(
                sequence
                    .chars()
                    .all(|it| it.is_ascii_alphanumeric() || ";?:".contains(it)),
                "ESC [ {sequence:?} came through"
            );
        } else if !(letter == '\r' || letter == '\n') {
            rest.push(letter);
        }
    }
    rest
}

#[test]
fn the_terminal_ui_shows_a_hostile_target_and_obeys_it_in_nothing() {
    let modes = [
        Mode::Random(1_000),
        Mode::Random(2_000),
        Mode::Random(3_000),
        Mode::Error(13),
        Mode::ErrorFirst(13),
        Mode::Details,
        Mode::Skew,
        Mode::Endless,
        Mode::Bomb,
        Mode::NotUtf8,
        Mode::Cut,
        Mode::Garbage,
    ];
    let scratch = TempDir::new().expect("make a directory");
    let scratch = scratch.path();
    std::thread::scope(|scope| {
        for (number, mode) in modes.into_iter().enumerate() {
            scope.spawn(move || {
                let server = Hostile::start(mode, scratch, &format!("{number}.sock"));
                let mut session = open(&server.socket);
                session.look(Duration::from_secs(3));
                for keys in ["2", "3", "j", "4", "j", "5", "j", "1", "j", "\r", "j"] {
                    session.press(keys);
                    session.look(Duration::from_millis(250));
                }
                // Out of the details, and then out.
                session.press("\x1b");
                session.look(Duration::from_millis(500));
                session.press("q");
                session.let_go();
                let (code, memory) = end(&mut session.child, None);
                session.look(Duration::from_secs(1));
                let text = String::from_utf8_lossy(&session.seen).into_owned();
                let rest = without_sequences(&text);
                assert_eq!(strange(&rest), None, "{mode:?}: {rest:?}");
                assert!(
                    matches!(code, 0 | 1 | 4 | 5 | 124),
                    "{mode:?} ended with {code}: {rest}"
                );
                assert!(memory <= MOST_MEMORY, "{mode:?} took {} MiB", memory >> 20);
            });
        }
    });
}

#[test]
fn a_service_that_is_stopped_is_said_to_be_stopped_and_comes_back() {
    let scratch = TempDir::new().expect("make a directory");
    let socket = scratch.path().join("d.sock");
    let service = Service::start(&socket);
    let mut session = open(&socket);
    let mut drawn = |text: &str| {
        let deadline = Instant::now() + PATIENCE;
        for columns in [140, 141].into_iter().cycle() {
            redraw(&session, columns);
            session.look(Duration::from_millis(200));
            if session.has(text) {
                session.seen.clear();
                return;
            }
            let seen = String::from_utf8_lossy(&session.seen);
            assert!(Instant::now() < deadline, "{text}: {}", seen.escape_debug());
        }
    };
    drawn("● live");
    service.signal(Signal::STOP);
    let pid = service.0.id();
    drawn(&format!("process {pid} is stopped (state T)"));
    service.signal(Signal::CONT);
    drawn("● live");
    session.press("q");
    assert_eq!(end(&mut session.child, None).0, 0);
}

#[test]
fn every_signal_that_ends_it_leaves_the_terminal_as_it_was() {
    let scratch = TempDir::new().expect("make a directory");
    let server = Hostile::start(Mode::Random(7_000), scratch.path(), "s");
    let signals = [
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::ABORT,
        Signal::TRAP,
        Signal::BUS,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::TERM,
        Signal::XCPU,
        Signal::XFSZ,
        Signal::VTALARM,
        Signal::PROF,
        Signal::IO,
        Signal::POWER,
        Signal::SYS,
    ];
    std::thread::scope(|scope| {
        for signal in signals {
            let socket = &server.socket;
            scope.spawn(move || {
                let mut session = open(socket);
                session.wait_for(TAKES_OVER);
                assert!(session.is_raw());
                kill_process(Pid::from_child(&session.child), signal).expect("kill");
                let (code, _) = end(&mut session.child, None);
                session.look(Duration::from_millis(300));
                assert_eq!(code, 128 + signal.as_raw(), "{signal:?}");
                assert!(!session.is_raw(), "{signal:?} leaves it raw");
                assert!(
                    session.has("\x1b[?1049l"),
                    "{signal:?} leaves the other screen"
                );
            });
        }
    });
}

#[test]
fn a_terminal_that_goes_away_ends_it_without_a_panic() {
    let scratch = TempDir::new().expect("make a directory");
    let server = Hostile::start(Mode::Random(7_000), scratch.path(), "s");
    let mut session = open(&server.socket);
    session.wait_for(TAKES_OVER);
    session.hang_up();
    let (code, _) = end(&mut session.child, None);
    assert!(matches!(code, 1 | 129), "ended with {code}");
}
