//! Everything that can go wrong, as an exit code and a sentence that says what to do.
//!
//! Scripts tell the cases apart by the code alone, so the codes are part of the contract: 1
//! runtime, 2 usage, 3 findings, 4 cannot connect, 5 incompatible version, 6 not found, 7 declined,
//! 124 timeout, 128+n ended by signal n. README.md and `--help` list them too.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use crate::foreign;

/// Says a line on stderr. Nobody is left to tell when that is gone.
pub(crate) fn note(text: &str) {
    use io::Write as _;
    let _ = writeln!(io::stderr(), "netpoller: {}", foreign::lines(text));
}

/// Why a verb did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request makes no sense, or leaves open what is meant.
    Usage(String),
    /// What was asked about is not as it should be: the answer was printed, and this says what is
    /// wrong with it.
    Findings(String),
    /// What was asked for is not there.
    NotFound(String),
    /// Nobody answers at the target.
    Connect {
        target: String,
        reason: String,
        advice: String,
    },
    /// The connection broke while it was used.
    Lost {
        target: String,
        reason: String,
        /// What is the matter with the process, if that is known.
        trouble: Option<String>,
    },
    /// Somebody answers whom this version does not understand.
    Incompatible(String),
    /// A person was asked whether to go on, and said no. Nothing was done.
    Declined,
    /// The target did not answer in time.
    Timeout {
        target: String,
        what: &'static str,
        after: Duration,
        /// What is the matter with the process, if that is known.
        trouble: Option<String>,
    },
    /// The target has a limit of its own for an answer, and that was over.
    GaveUp { target: String, what: &'static str },
    /// A signal asked to end.
    Signal(u8),
    /// The reader of stdout has gone away, which is not an error: `netpoller ls | head`.
    BrokenPipe,
    /// Anything else.
    Runtime(String),
}

impl Failure {
    /// The connection broke for this reason, or because of the trouble that the process is in.
    pub(crate) fn lost(target: String, reason: &str, trouble: Option<String>) -> Self {
        Self::Lost {
            target,
            reason: reason.to_owned(),
            trouble,
        }
    }

    /// The exit code of the process.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Runtime(_) => 1,
            Self::Usage(_) => 2,
            Self::Findings(_) => 3,
            Self::Connect { .. } | Self::Lost { .. } => 4,
            Self::Incompatible(_) => 5,
            Self::NotFound(_) => 6,
            Self::Declined => 7,
            Self::Timeout { .. } | Self::GaveUp { .. } => 124,
            Self::Signal(number) => 128u8.saturating_add(*number),
        }
    }

    /// Says on stderr what happened and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !matches!(self, Self::BrokenPipe | Self::Signal(_)) {
            note(&self.to_string());
        }
        ExitCode::from(self.code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text)
            | Self::Incompatible(text)
            | Self::Runtime(text)
            | Self::Findings(text)
            | Self::NotFound(text) => f.write_str(text),
            Self::Connect {
                target,
                reason,
                advice,
            } => {
                write!(f, "cannot connect to {target}: {reason}\n{advice}")
            }
            Self::Timeout {
                target,
                what,
                after,
                trouble,
            } => {
                let after = humantime::format_duration(*after);
                write!(f, "{target} did not give {what} within {after}")?;
                match trouble {
                    Some(trouble) => write!(f, ": {trouble}"),
                    None => {
                        f.write_str("; raise --timeout, or look whether the process is stopped")
                    }
                }
            }
            Self::GaveUp { target, what } => write!(
                f,
                "{target} gave {what} up, because it took longer than the endpoint lets an answer take; ask for less of \
                 it (--where, --limit), or look whether the process has a processor to run on"
            ),
            Self::Lost {
                target,
                reason,
                trouble,
            } => {
                write!(f, "the connection to {target} is lost: ")?;
                match trouble {
                    Some(trouble) => f.write_str(trouble),
                    None => write!(f, "{reason}; has the process ended, or the network gone?"),
                }
            }
            Self::Declined => f.write_str("nothing was done"),
            Self::Signal(number) => write!(f, "ended by signal {number}"),
            Self::BrokenPipe => f.write_str("the reader of the output has gone away"),
        }
    }
}

impl Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::Runtime(format!("writing the output: {error}"))
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from(io::Error::from(error))
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self::from(error),
            other => Self::Runtime(format!("writing the output: {other:?}")),
        }
    }
}
