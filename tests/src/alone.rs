//! A test in a process of its own.

use std::process::Command;

/// Set for a test that has its process for itself.
const ALONE: &str = "NETPOLLER_TEST_ALONE";

/// Returns whether the test `name` has its process for itself. If not, runs it again in one where
/// it has, and sees it pass: then there is nothing left to do.
///
/// # Panics
///
/// If the test does not pass there.
#[track_caller]
pub fn is_alone(name: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let executable = std::env::current_exe().expect("the test's own path");
    let output = Command::new(executable)
        .args(["--exact", "--nocapture", name])
        .env(ALONE, "1")
        .output()
        .expect("start the test once more");
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{error}");
    assert!(text.contains("1 passed"), "{text}");
    false
}
