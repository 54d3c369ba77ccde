//! What is to be looked for.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use super::catalogue::Catalogue;
use super::laws;
use crate::failure::Failure;

/// One look: long enough for rates, and for a stuck waiter of a quiet poller to be certain.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);

/// Descriptors of a process for which the kernel's list is read unless somebody says otherwise: it
/// keeps events waiting for half a microsecond each, twice a second.
pub(crate) const FEW: u64 = 4096;

/// What is to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Whether the table is compared with the kernel's list of registrations.
    pub(crate) kernel: When,
    /// Of how many descriptors that costs little.
    pub(crate) few: u64,
    /// What is left out.
    pub(crate) allow: Vec<String>,
    /// How long faults must last before they are told.
    pub(crate) hold: Vec<Hold>,
}

impl Terms {
    pub(crate) fn allows(&self, name: &str) -> bool {
        self.allow.iter().any(|it| it == name)
    }

    /// Whether the kernel's list is read, of a process with so many descriptors.
    pub(crate) fn asks_kernel(&self, descriptors: u64) -> bool {
        match self.kernel {
            When::Auto => descriptors <= self.few,
            When::Always => true,
            When::Never => false,
        }
    }

    /// Refuses a lint that nobody knows.
    pub(super) fn check(&self, catalogue: &Catalogue) -> Result<(), Failure> {
        for name in self.allow.iter().filter(|name| *name != laws::NAME) {
            catalogue.knows("--allow", name)?;
        }
        for hold in &self.hold {
            catalogue.knows("--hold", &hold.lint)?;
        }
        Ok(())
    }
}

/// When something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// If it costs little.
    Auto,
    /// Whatever it costs.
    Always,
    /// Not at all.
    Never,
}

/// A lint and its hold time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) lint: String,
    pub(crate) time: Duration,
}

impl FromStr for Hold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (lint, time) = text
            .split_once('=')
            .ok_or("write LINT=DUR, for example stuck-waiter=5s")?;
        Ok(Self {
            lint: lint.to_owned(),
            time: humantime::parse_duration(time).map_err(|error| error.to_string())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_names_a_lint_and_a_time() {
        let hold = "stuck-waiter=5s".parse::<Hold>().unwrap();
        let seconds = Duration::from_secs(5);
        assert_eq!((hold.lint.as_str(), hold.time), ("stuck-waiter", seconds));
        for (wrong, word) in [("stuck-waiter", "LINT=DUR"), ("lost-edge=soon", "number")] {
            let error = wrong.parse::<Hold>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
