//! Where the kernel has loaded a program.

use std::fs::File;
use std::io::Read;

use super::memory::word;

/// The address of the first instruction (`AT_ENTRY` of getauxval(3)).
const ENTRY: u64 = 9;
/// There are some twenty entries of 16 bytes.
const LARGEST: u64 = 4 << 10;

/// Returns the address at which the program of this process began; `None` if that may not be read.
pub(super) fn entry(pid: u32) -> Option<u64> {
    find(&entries(pid)?)
}

/// Returns what the kernel has told the program that runs: with each execve(2) these are other
/// addresses, unless they are not randomised. `None` if that may not be read.
pub(super) fn entries(pid: u32) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(format!("/proc/{pid}/auxv")).ok()?;
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

/// The same, of the entries themselves.
pub(super) fn find(bytes: &[u8]) -> Option<u64> {
    let mut entries = bytes.chunks_exact(16);
    let entry = entries.find(|entry| word(entry, 0) == Some(ENTRY))?;
    word(entry, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_runs_another_one_is_told_from_it() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let mut shell = Command::new("sh");
        shell.args(["-c", "read line; exec sh -c 'read line; true'"]);
        let mut child = shell.stdin(Stdio::piped()).spawn().expect("it starts");
        let pid = child.id();
        let arguments = || std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let runs = |ends: &[u8]| {
            netpoller_tests::until("the program runs", || {
                arguments().trim_ascii_end().ends_with(ends)
            });
        };
        // It may not have begun yet.
        runs(b"true'\0");
        let first = entries(pid).expect("it may be read");
        assert_eq!(entries(pid).as_ref(), Some(&first));
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(b"\n").expect("it reads");
        runs(b"true\0");
        assert_ne!(entries(pid), Some(first));
        drop(input);
        child.wait().expect("it ends");
    }

    #[test]
    fn the_entry_is_found_among_the_others() {
        let words = [6_u64, 4096, ENTRY, 0x40_1000, 0, 0];
        let bytes: Vec<u8> = words.iter().flat_map(|it| it.to_le_bytes()).collect();
        assert_eq!(find(&bytes), Some(0x40_1000));
        assert_eq!(find(&bytes[..30]), None);
        assert_eq!(find(&[]), None);
        assert!(entry(std::process::id()).is_some_and(|it| it > 0));
    }
}
