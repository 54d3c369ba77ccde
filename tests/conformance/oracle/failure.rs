//! Why the command ends with an error, and with which exit code.

use std::process::ExitCode;

/// Why it failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something could not be done.
    Runtime(String),
    /// The command line or a script makes no sense.
    Usage(String),
    /// What was asked about is not as it should be.
    Findings(String),
}

impl Failure {
    /// Says so on stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let (code, text) = match self {
            Failure::Runtime(text) => (1, text),
            Failure::Usage(text) => (2, text),
            Failure::Findings(text) => (3, text),
        };
        eprintln!("oracle: {text}");
        ExitCode::from(code)
    }
}
