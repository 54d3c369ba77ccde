//! Counting with callgrind.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::load;
use crate::servers::{CONNECTIONS, Case, Server};

/// Rounds of the two runs whose difference is the figure. In the first ones what is made once is
/// made.
const ROUNDS: [usize; 2] = [10, 50];

/// The instructions of one connection in one round.
pub(crate) fn instructions(case: Case, server: Server) -> io::Result<f64> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("callgrind.out");
    let mut totals = [0; 2];
    for (total, rounds) in totals.iter_mut().zip(ROUNDS) {
        run(case, server, rounds, &file)?;
        *total = total_of(&fs::read_to_string(&file)?)?;
    }
    let each = (ROUNDS[1] - ROUNDS[0]) * CONNECTIONS;
    Ok((totals[1] - totals[0]) as f64 / each as f64)
}

/// Keeps a profile of many rounds.
pub(crate) fn profile(case: Case, server: Server, file: &Path) -> io::Result<()> {
    run(case, server, 200, file)
}

fn run(case: Case, server: Server, rounds: usize, file: &Path) -> io::Result<()> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--dump-instr=yes", "--quiet"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe()?)
        .args(["--serve", &case.to_string(), server.name()])
        .stderr(Stdio::inherit());
    let child = load::pipes(&mut command).map_err(|error| match error.kind() {
        ErrorKind::NotFound => io::Error::other(
            "valgrind is not installed, and counts the instructions: on Debian, `apt install valgrind`",
        ),
        _ => error,
    })?;
    load::rounds(child, case, rounds)
}

/// The sum in callgrind's file, of all threads.
fn total_of(file: &str) -> io::Result<u64> {
    let total = file.lines().find_map(|line| line.strip_prefix("totals: "));
    total
        .and_then(|total| total.trim().parse().ok())
        .ok_or_else(|| {
            io::Error::other("callgrind has not written a total: see its messages above")
        })
}
