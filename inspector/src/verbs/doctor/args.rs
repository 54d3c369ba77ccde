//! What the doctor can be told.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::catalogue::Catalogue;
use super::laws;
use crate::failure::Failure;

/// One look: long enough for rates, and for a stuck waiter of a quiet poller to be certain.
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// Descriptors of a process for which the kernel's list is read unless somebody says otherwise: it
/// keeps events waiting for half a microsecond each, twice a second.
pub(super) const FEW: u64 = 4096;

/// What the doctor can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    /// Look again and again for this time and print what is new; without it, look once, for a
    /// second.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Compare the table with the kernel's list of registrations as well, which delays events by
    /// half a microsecond a descriptor; without it, that is done for up to 4096 of them.
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true,
          default_value = "auto", default_missing_value = "always", hide_default_value = true)]
    pub(super) kernel: When,
    /// Leave this lint of the process out, or broken-law; may be given several times.
    #[arg(long, value_name = "LINT")]
    pub(super) allow: Vec<String>,
    /// How long a fault must last before it is reported, for example stuck-waiter=5s; may be given
    /// several times.
    #[arg(long, value_name = "LINT=DUR")]
    pub(super) hold: Vec<Hold>,
    /// Print the lints of the process, what they look for and how long they wait, and look at
    /// nothing.
    #[arg(long)]
    pub(super) list: bool,
}

impl DoctorArgs {
    pub(super) fn allows(&self, name: &str) -> bool {
        self.allow.iter().any(|it| it == name)
    }

    /// Whether the kernel's list is read, of a process with so many descriptors.
    pub(super) fn asks_kernel(&self, descriptors: u64) -> bool {
        match self.kernel {
            When::Auto => descriptors <= FEW,
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
pub(super) enum When {
    /// If it costs little.
    Auto,
    /// Whatever it costs.
    Always,
    /// Not at all.
    Never,
}

/// A lint and its hold time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) lint: String,
    pub(super) time: Duration,
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
