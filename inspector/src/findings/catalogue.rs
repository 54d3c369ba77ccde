//! The lints of the process that is asked, and those of this command where no process says.

use std::time::Duration;

use netpoller::view::lints::{self, Timing as Known};
use netpoller_proto::v1::{GetServerResponse, Lint, Severity, Timing};

use super::laws;
use crate::failure::Failure;
use crate::text;

/// What can be looked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Catalogue {
    pub(crate) lints: Vec<Lint>,
    /// The process said so.
    pub(crate) told: bool,
    /// It is read from outside, where not everything can be known.
    pub(crate) outside: bool,
}

impl Catalogue {
    /// That of a process; of one whose library is too old to say, this command's.
    pub(crate) fn of(server: &GetServerResponse) -> Self {
        if server.lints.is_empty() {
            return Self::own();
        }
        Self {
            lints: server.lints.clone(),
            told: true,
            outside: server.outside.is_some(),
        }
    }

    /// This command's.
    pub(crate) fn own() -> Self {
        Self {
            lints: lints::Lint::ALL.map(own).into(),
            told: false,
            outside: false,
        }
    }

    /// What is left of this command's if a process runs only these.
    pub(crate) fn keep(&mut self, run: &[String]) {
        self.lints
            .retain(|lint| lint.needs_kernel || run.contains(&lint.name));
    }

    pub(super) fn find(&self, name: &str) -> Option<&Lint> {
        self.lints.iter().find(|lint| lint.name == name)
    }

    /// Whether the process knows the lint that a flag names. `Err` if this command does not know it
    /// either.
    pub(super) fn knows(&self, flag: &str, name: &str) -> Result<bool, Failure> {
        if self.find(name).is_some() {
            return Ok(true);
        }
        if name.parse::<lints::Lint>().is_ok() {
            return Ok(false);
        }
        let mut known: Vec<&str> = self.lints.iter().map(|lint| lint.name.as_str()).collect();
        known.extend((flag == "--allow").then_some(laws::NAME));
        Err(Failure::Usage(format!(
            "{flag} {name}: the process has no such lint; {}",
            text::suggestion(name, known.iter().copied())
        )))
    }
}

fn own(lint: lints::Lint) -> Lint {
    let severity = match lint.severity() {
        lints::Severity::Info => Severity::Info,
        lints::Severity::Warning => Severity::Warning,
        lints::Severity::Error => Severity::Error,
    };
    let timing = match lint.timing() {
        Known::FirstSeen => Timing::FirstSeen,
        Known::Rate => Timing::Rate,
        _ => Timing::Dated,
    };
    Lint {
        name: lint.name().to_owned(),
        severity: severity.into(),
        timing: timing.into(),
        hold_ns: u64::try_from(lint.default_hold().as_nanos()).unwrap_or(u64::MAX),
        needs_kernel: lint.needs_kernel(),
        help: lint.help().to_owned(),
        advice: lint.advice().to_owned(),
    }
}

/// How long a fault must last before it is reported, where nothing else is said.
pub(crate) fn hold(lint: &Lint) -> Duration {
    Duration::from_nanos(lint.hold_ns)
}

/// Nobody knows since when the fault is there, so it is timed from when it was first seen.
pub(super) fn begins_with_the_look(lint: &Lint) -> bool {
    matches!(lint.timing(), Timing::FirstSeen | Timing::Rate)
}

/// What is known of when it began, in a word.
pub(crate) fn timing(lint: &Lint) -> &'static str {
    match lint.timing() {
        Timing::Unspecified => "unknown",
        Timing::Dated => "dated",
        Timing::FirstSeen => "first-seen",
        Timing::Rate => "rate",
    }
}
