//! The stock tokio-console in a real terminal, attached to the demo, and to a recording of it.
//!
//! It is `$TOKIO_CONSOLE`, or `tokio-console` in the path: `cargo install --locked
//! tokio-console@0.1.14`.

use std::ops::Deref;
use std::path::PathBuf;

use netpoller_tests::program::{Running, netpoller};
use netpoller_tests::tmux::Tmux;
use netpoller_tests::tool;
use tempfile::TempDir;

#[track_caller]
fn tokio_console() -> PathBuf {
    let named = std::env::var_os("TOKIO_CONSOLE").map(PathBuf::from);
    named.unwrap_or_else(|| tool(&["tokio-console"]))
}

/// A demo that is served over TCP.
struct Demo {
    /// What tokio-console is given.
    url: String,
    _demo: Running,
}

impl Demo {
    #[track_caller]
    fn start(place: &str, connections: u32) -> Self {
        Self::start_with(place, connections, &[])
    }

    /// With other options too.
    #[track_caller]
    fn start_with(place: &str, connections: u32, options: &[&str]) -> Self {
        const SAYS: &str = "        or: tokio-console ";
        let scratch = TempDir::new().expect("make a directory");
        let mut command = netpoller(scratch.path());
        command
            .args(["demo", "--headless", "--for", "300s", "--inspect"])
            .arg(place)
            .arg("--connections")
            .arg(connections.to_string())
            .args(options);
        let demo = Running::start(scratch, command, &[SAYS]);
        Self {
            url: demo.said(SAYS).to_owned(),
            _demo: demo,
        }
    }
}

/// tokio-console in a terminal of its own. It is tall enough for every task of forty connections:
/// in which order they are listed depends on which began first, and that on the machine.
struct Terminal(Tmux);

impl Terminal {
    #[track_caller]
    fn open(url: &str) -> Self {
        let console = tokio_console();
        let script = format!(
            "{} --lang en_US.UTF-8 {url}; echo \"ended: $?\"; cat",
            console.display()
        );
        Self(Tmux::open(260, 120, &script))
    }

    /// A row with all of `words`.
    #[track_caller]
    fn shows_row(&self, words: &[&str]) -> String {
        self.shows(&format!("a row with {words:?}"), |screen| {
            screen
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)))
        })
    }
}

impl Deref for Terminal {
    type Target = Tmux;

    fn deref(&self) -> &Tmux {
        &self.0
    }
}

/// The number in the title of a list: `Resources (17)`.
fn listed(screen: &str, title: &str) -> Option<usize> {
    let (_, rest) = screen.split_once(&format!("{title} ("))?;
    rest.split_once(')')?.0.parse().ok()
}

/// Resources in the order of their kind: deadlines come behind the descriptors.
fn by_kind(terminal: &Terminal) {
    terminal.press(&["r"]);
    terminal.shows("the list of resources", |screen| {
        screen.contains("Resources (")
    });
    terminal.press(&["Right", "Right"]);
    terminal.shows("the column Kind in order", |screen| {
        screen.contains("Kind▿") || screen.contains("Kind▵")
    });
}

#[test]
#[ignore = "needs tmux and tokio-console"]
fn it_shows_our_descriptors_their_attributes_and_who_waits() {
    let demo = Demo::start("tcp:127.0.0.1:0", 40);
    let terminal = Terminal::open(&demo.url);
    terminal.shows_row(&["CONNECTED"]);
    terminal.shows_row(&["⏸", "serve", "task", "service.rs:"]);
    terminal.shows_row(&["⏸", "stuck", "task", "clients.rs:"]);

    terminal.press(&["r"]);
    terminal.shows("resources", |screen| screen.contains("Resources ("));
    terminal.press(&["i"]);
    terminal.shows_row(&["1", "n/a", "poller", "Epoll", "descriptors=", "waiters="]);
    terminal.shows_row(&["2", "eventfd", "EventFd", "🔒", "0fd=", "requested="]);
    terminal.press(&["i"]);

    by_kind(&terminal);
    terminal.shows_row(&[
        "tcp",
        "PollDesc<TcpStream>",
        "0fd=",
        "1rd=",
        "2wr=",
        "fdseq=",
        "rseq=",
        "wseq=",
        "peer=127.0.0.1:",
    ]);
    let screen = terminal.screen();
    assert!(!screen.contains("dropped:"), "{screen}");

    terminal.press(&["t"]);
    terminal.shows("the list of tasks", |screen| screen.contains("Tasks ("));
    terminal.press(&["Down", "Down", "Enter"]);
    terminal.shows("a task", |screen| {
        screen.contains("Poll Times") && screen.contains("Scheduled Times")
    });
}

#[test]
#[ignore = "needs tmux and tokio-console"]
fn it_attaches_to_the_unix_socket_too() {
    let demo = Demo::start("default", 10);
    assert!(demo.url.starts_with("file://localhost/"), "{}", demo.url);
    let terminal = Terminal::open(&demo.url);
    terminal.shows_row(&["⏸", "serve", "task", "service.rs:"]);
}

#[test]
#[ignore = "needs tmux and tokio-console"]
fn it_attaches_to_a_recording_that_is_replayed() {
    let demo = Demo::start_with("default", 10, &["--plant", "stuck-waiter"]);
    let path = demo.url.strip_prefix("file://localhost").expect("a socket");
    let scratch = TempDir::new().expect("make a directory");
    let recording = scratch.path().join("demo.npl");
    // There is a diagnosis at the beginning, and another one after ten seconds.
    let recorded = netpoller(scratch.path())
        .args(["-t", &format!("unix:{path}"), "record", "--for", "14s"])
        .arg("-o")
        .arg(&recording)
        .output()
        .expect("it runs");
    assert!(recorded.status.success(), "{recorded:?}");
    drop(demo);

    let socket = scratch.path().join("replay.sock");
    let mut command = netpoller(scratch.path());
    command
        .arg("-t")
        .arg(format!("file:{}", recording.display()));
    command
        .args(["replay", "--at", "-3s", "--serve"])
        .arg(&socket);
    // It says that on stderr when it has come to its end, and tells it further on.
    let _replay = Running::start(scratch, command, &["netpoller: it has come to its end"]);
    let terminal = Terminal::open(&format!("file://localhost{}", socket.display()));
    terminal.shows_row(&["⏸", "serve", "task", "service.rs:"]);
    terminal.shows_row(&["⚠ 1", "⏸", "stuck-reader", "task", "waits.rs:"]);
    terminal.press(&["r"]);
    terminal.shows("resources", |screen| screen.contains("Resources ("));
    terminal.press(&["i"]);
    terminal.shows_row(&["1", "n/a", "poller", "Epoll", "descriptors=", "waiters="]);
    terminal.shows_row(&["2", "eventfd", "EventFd", "🔒", "requested="]);
    terminal.press(&["i"]);
    by_kind(&terminal);
    terminal.shows_row(&[
        "tcp",
        "PollDesc<TcpStream>",
        "0fd=",
        "1rd=",
        "fdseq=",
        "peer=",
    ]);
}

#[test]
#[ignore = "needs tmux and tokio-console"]
fn a_pause_is_one_until_it_is_resumed() {
    let demo = Demo::start("tcp:127.0.0.1:0", 20);
    let terminal = Terminal::open(&demo.url);
    terminal.shows_row(&["⏸", "serve"]);
    terminal.press(&["Space"]);
    terminal.shows("PAUSED", |screen| screen.contains("PAUSED"));
    terminal.press(&["Space"]);
    terminal.shows("no pause", |screen| {
        screen.contains("CONNECTED") && !screen.contains("PAUS")
    });
    terminal.shows_row(&["⏸", "serve"]);
}

/// How long the task called `name` that is shown first has lived, in seconds; minutes and more are
/// not read.
fn age(screen: &str, name: &str) -> Option<u64> {
    let row = screen
        .lines()
        .find(|line| line.split_whitespace().any(|word| word == name))?;
    let seconds = |word: &str| word.strip_suffix('s')?.parse().ok();
    row.split_whitespace().find_map(seconds)
}

#[test]
#[ignore = "needs tmux and tokio-console"]
fn it_warns_of_the_task_that_is_stuck_and_of_none_in_a_healthy_service() {
    const WARNING: &str = "tasks have lost their wakers";
    let healthy = Demo::start("tcp:127.0.0.1:0", 20);
    let healthy = (Terminal::open(&healthy.url), healthy);
    let planted = Demo::start_with("tcp:127.0.0.1:0", 20, &["--plant", "stuck-waiter"]);
    let terminal = Terminal::open(&planted.url);
    let screen = terminal.shows("the warning", |screen| screen.contains(WARNING));
    assert!(screen.contains(&format!("1 {WARNING}")), "{screen}");
    terminal.shows_row(&["⚠ 1", "⏸", "stuck-reader", "task", "waits.rs:"]);

    // A waiter is suspected after a second, and found by the second look at the latest.
    let screen = healthy
        .0
        .shows("a waiter that has waited for long", |screen| {
            age(screen, "stuck") >= Some(8)
        });
    assert!(
        !screen.contains("Warnings") && !screen.contains(WARNING),
        "{screen}"
    );
}

#[test]
#[ignore = "needs tmux and tokio-console"]
fn it_finds_the_next_process_where_the_first_one_was_and_forgets_the_first() {
    let demo = Demo::start("tcp:127.0.0.1:0", 200);
    let place = demo.url.replace("http://", "tcp:");
    let terminal = Terminal::open(&demo.url);
    by_kind(&terminal);
    terminal.shows("200 connections", |screen| {
        listed(screen, "Resources") > Some(400)
    });
    drop(demo);
    // The client draws only what it is told, so the loss itself is not to be seen.
    let _demo = Demo::start(&place, 10);
    terminal.shows("the next process", |screen| {
        screen.contains("(CONNECTED)")
            && listed(screen, "Resources").is_some_and(|listed| listed < 150)
    });
    terminal.shows_row(&["tcp", "PollDesc<TcpStream>", "peer=127.0.0.1:"]);
}

/// The number that is the attribute `name` of the first row with `word`.
fn attribute(screen: &str, word: &str, name: &str) -> Option<u64> {
    let row = screen.lines().find(|line| line.contains(word))?;
    let (_, value) = row.split_once(&format!(" {name}="))?;
    let digits = value.find(|c: char| !c.is_ascii_digit())?;
    value[..digits].parse().ok()
}

#[test]
#[ignore = "needs tmux and tokio-console"]
fn it_stays_attached_to_more_than_five_thousand_descriptors_and_says_how_many_are_not_listed() {
    let demo = Demo::start("tcp:127.0.0.1:0", 3000);
    let terminal = Terminal::open(&demo.url);
    terminal.shows("tasks", |screen| listed(screen, "Tasks") > Some(1000));
    terminal.press(&["r"]);
    terminal.shows("resources", |screen| screen.contains("Resources ("));
    // Those that have no parent first: the poller, and what is not listed.
    terminal.press(&["Right"]);
    terminal.shows("the column Parent in order", |screen| {
        screen.contains("Parent▿")
    });
    terminal.shows("5000 descriptors and some more", |screen| {
        screen.contains("(CONNECTED)")
            && attribute(screen, " poller ", "descriptors") > Some(5000)
            && attribute(screen, " more ", "count") > Some(0)
            && listed(screen, "Resources") > Some(5000)
    });
    terminal.press(&["t"]);
    // Which of the thousands come first depends on which began first.
    terminal.shows_row(&["⏸", "task", "target=netpoller::task"]);
}
