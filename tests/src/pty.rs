//! Terminals that nobody sees.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::LIMIT;

/// Opens a terminal of this size: the side of whoever sits at it, and that of a program. When
/// nobody has the program's side open any more, reading from the other one fails.
///
/// # Panics
///
/// If there is none to be had.
#[track_caller]
pub fn terminal(columns: u16, rows: u16) -> (File, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let person = openpt(flags).expect("open a pseudo-terminal");
    grantpt(&person).expect("grantpt");
    unlockpt(&person).expect("unlockpt");
    let name = ptsname(&person, Vec::new()).expect("ptsname");
    let program = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().expect("a path"))
        .expect("open the terminal");
    resize(&program, columns, rows);
    (person.into(), program)
}

#[track_caller]
fn resize(terminal: &File, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).expect("set the size");
}

/// A program on a terminal that nobody sees. It does not answer questions, such as where the cursor
/// is.
#[derive(Debug)]
pub struct Session {
    /// The program.
    pub child: Child,
    /// What it has written, as far as somebody has looked.
    pub seen: Vec<u8>,
    /// The modes of the terminal before it was started.
    pub before: Termios,
    keys: Option<File>,
    /// Held open, so that the terminal outlives the program and can be looked at.
    terminal: Option<File>,
    written: Receiver<Vec<u8>>,
}

impl Session {
    /// Starts `command` on a terminal of this size.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[track_caller]
    pub fn start(command: &mut Command, columns: u16, rows: u16) -> Self {
        let (mut person, program) = terminal(columns, rows);
        let side = || program.try_clone().expect("clone the terminal");
        let before = tcgetattr(&program).expect("read the modes");
        let child = command
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("it starts");
        let keys = person.try_clone().expect("clone the terminal");
        let (sender, written) = channel();
        // It ends when nobody has the program's side open any more.
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(length @ 1..) = person.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            seen: Vec::new(),
            before,
            keys: Some(keys),
            terminal: Some(program),
            written,
        }
    }

    /// Takes in what is written for so long.
    pub fn look(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            match self.written.recv_timeout(left) {
                Ok(bytes) => self.seen.extend(bytes),
                Err(_) => return,
            }
        }
    }

    /// Returns whether this has been written.
    pub fn has(&self, text: &str) -> bool {
        self.seen
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    /// Waits until this has been written. Only the first picture is written in full, later ones
    /// where they differ.
    ///
    /// # Panics
    ///
    /// If it never is.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        // For the whole wait: a live UI never stops writing.
        let deadline = Instant::now() + LIMIT;
        while !self.has(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.written.recv_timeout(left) {
                Ok(more) => self.seen.extend(more),
                Err(_) => {
                    let _ = self.child.kill();
                    panic!(
                        "`{text}` was never written; this was: {}",
                        String::from_utf8_lossy(&self.seen).escape_debug()
                    );
                }
            }
        }
    }

    /// Presses these keys; nothing happens if the program is gone.
    pub fn press(&mut self, keys: &str) {
        if let Some(side) = &mut self.keys {
            let _ = side.write_all(keys.as_bytes());
        }
    }

    /// Returns the modes of the terminal.
    ///
    /// # Panics
    ///
    /// If it is closed.
    #[track_caller]
    pub fn modes(&self) -> Termios {
        let terminal = self.terminal.as_ref().expect("it is held open");
        tcgetattr(terminal).expect("read the modes")
    }

    /// Returns whether the terminal is in raw mode.
    ///
    /// # Panics
    ///
    /// If it is closed.
    #[track_caller]
    pub fn is_raw(&self) -> bool {
        !self.modes().local_modes.contains(LocalModes::ICANON)
    }

    /// Changes the size of the terminal. Nobody tells the program.
    ///
    /// # Panics
    ///
    /// If it is closed.
    #[track_caller]
    pub fn resize(&self, columns: u16, rows: u16) {
        let terminal = self.terminal.as_ref().expect("it is held open");
        resize(terminal, columns, rows);
    }

    /// Closes the terminal on the side of the program, which alone holds it open now.
    pub fn let_go(&mut self) {
        self.terminal = None;
    }

    /// Closes the other side too, as an emulator that is ended does.
    pub fn hang_up(&mut self) {
        self.let_go();
        // The thread that reads has the last copy, and lets go of it with the next byte.
        self.written = channel().1;
        self.keys = None;
    }
}
