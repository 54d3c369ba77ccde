//! Terminals that nobody sees.

use std::fs::File;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

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
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&program, size).expect("set the size");
    (person.into(), program)
}
