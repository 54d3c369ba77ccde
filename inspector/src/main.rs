//! The `netpoller` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    netpoller_inspector::run()
}
