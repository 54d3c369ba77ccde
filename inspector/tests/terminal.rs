//! The terminal UI on a real pseudo-terminal: what it writes, and in what state it leaves the
//! terminal.

use std::ops::{Deref, DerefMut};
use std::process::ExitStatus;

use netpoller_tests::mock::{Mock, Running};
use netpoller_tests::program::netpoller;
use netpoller_tests::pty;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The UI, and what it shows.
struct Session {
    terminal: pty::Session,
    _mock: Running,
    _scratch: TempDir,
}

impl Session {
    #[track_caller]
    fn open(variables: &[(&str, &str)]) -> Self {
        let scratch = TempDir::new().expect("make a directory");
        let mock = Running::start(Mock::new(50), scratch.path().join("mock.sock"));
        let mut command = netpoller(scratch.path());
        command
            .env("TERM", "xterm-256color")
            .envs(variables.iter().copied())
            .arg("--target")
            .arg(&mock.socket);
        Self {
            terminal: pty::Session::start(&mut command, 120, 30),
            _mock: mock,
            _scratch: scratch,
        }
    }

    /// Waits for the end and looks whether the terminal is as it was.
    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        // The last thing that leaving writes.
        self.wait_for("\x1b[?1049l");
        let status = self.child.wait().expect("wait");
        let (before, after) = (&self.before, self.modes());
        assert_eq!(after.local_modes, before.local_modes, "raw mode is left");
        assert_eq!(after.input_modes, before.input_modes);
        assert_eq!(after.output_modes, before.output_modes);
        self.wait_for("\x1b[?25h");
        status
    }
}

impl Deref for Session {
    type Target = pty::Session;

    fn deref(&self) -> &pty::Session {
        &self.terminal
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut pty::Session {
        &mut self.terminal
    }
}

#[test]
fn without_colour_nothing_ends_the_reverse_video_of_the_selected_row() {
    let mut session = Session::open(&[("NO_COLOR", "1")]);
    session.wait_for("1 Descriptors");
    session.wait_for("conn.rs");
    assert!(session.is_raw());
    session.press("jj");
    session.press("q");
    assert_eq!(session.end().code(), Some(0));
    assert!(session.has("\x1b[7m"), "the selected row is reversed");
    for bare in ["\x1b[m", "\x1b[;m", "38;", "48;"] {
        assert!(!session.has(bare), "{bare:?} was written");
    }
}

#[test]
fn colour_is_used_where_it_is_wanted() {
    let mut session = Session::open(&[]);
    session.wait_for("conn.rs");
    session.press("q");
    assert_eq!(session.end().code(), Some(0));
    assert!(session.has("\x1b[38;"));
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let mut session = Session::open(&[]);
        session.wait_for("conn.rs");
        kill_process(Pid::from_child(&session.child), signal).expect("send the signal");
        assert_eq!(session.end().code(), Some(code));
    }
}
