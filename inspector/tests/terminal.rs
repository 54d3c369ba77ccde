//! The terminal UI on a real pseudo-terminal: what it writes, and in what state it leaves the
//! terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use netpoller_tests::mock::{Mock, Running};
use netpoller_tests::program::netpoller;
use netpoller_tests::{LIMIT, pty};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, Termios, tcgetattr};
use tempfile::TempDir;

/// The UI on a terminal that nobody sees. It does not answer questions, such as where the cursor
/// is.
struct Session {
    child: Child,
    keys: File,
    /// Held open, so that the terminal outlives the process and can be looked at.
    terminal: OwnedFd,
    before: Termios,
    written: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    _mock: Running,
    _scratch: TempDir,
}

impl Session {
    fn open(variables: &[(&str, &str)]) -> Self {
        let scratch = TempDir::new().expect("make a directory");
        let mock = Running::start(Mock::new(50), scratch.path().join("mock.sock"));

        let (mut control, held) = pty::terminal(120, 30);
        let terminal = || held.try_clone().expect("clone the terminal");
        let before = tcgetattr(&held).expect("read the modes");

        let child = netpoller(scratch.path())
            .env("TERM", "xterm-256color")
            .envs(variables.iter().copied())
            .arg("--target")
            .arg(&mock.socket)
            .stdin(terminal())
            .stdout(terminal())
            .stderr(terminal())
            .spawn()
            .expect("run netpoller");

        let keys = control.try_clone().expect("clone the terminal");
        let (sender, written) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = control.read(&mut buffer) {
                if length == 0 || sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keys,
            terminal: held.into(),
            before,
            written,
            seen: Vec::new(),
            _mock: mock,
            _scratch: scratch,
        }
    }

    /// Waits until this has been written. Only the first picture is written in full, later ones
    /// where they differ.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        // For the whole wait: a live UI never stops writing.
        let deadline = Instant::now() + LIMIT;
        while !self.has(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.written.recv_timeout(left) {
                Ok(more) => self.seen.extend(more),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let _ = self.child.kill();
                    panic!(
                        "`{text}` was never written; this was: {}",
                        String::from_utf8_lossy(&self.seen).escape_debug()
                    );
                }
            }
        }
    }

    fn has(&self, text: &str) -> bool {
        self.seen
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("press a key");
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(self.terminal.as_fd())
            .expect("read the modes")
            .local_modes
            .contains(LocalModes::ICANON)
    }

    /// Waits for the end and looks whether the terminal is as it was.
    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        // The last thing that leaving writes.
        self.wait_for("\x1b[?1049l");
        let status = self.child.wait().expect("wait");
        let after = tcgetattr(self.terminal.as_fd()).expect("read the modes");
        assert_eq!(
            after.local_modes, self.before.local_modes,
            "raw mode is left"
        );
        assert_eq!(after.input_modes, self.before.input_modes);
        assert_eq!(after.output_modes, self.before.output_modes);
        self.wait_for("\x1b[?25h");
        status
    }
}

#[test]
fn without_colour_nothing_ends_the_reverse_video_of_the_selected_row() {
    let mut session = Session::open(&[("NO_COLOR", "1")]);
    session.wait_for("1 Descriptors");
    session.wait_for("conn.rs");
    assert!(session.is_raw());
    session.press(b"jj");
    session.press(b"q");
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
    session.press(b"q");
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
