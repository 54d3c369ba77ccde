//! What the doctor can be told.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use netpoller::view::lints::Lint;

use super::laws;

/// One look: long enough for rates, and for a stuck waiter of a quiet poller to be certain.
pub(super) const WINDOW: Duration = Duration::from_secs(1);
/// What the doctor can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    /// Look again and again for this time and print what is new; without it, look once, for a
    /// second.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Compare the table with the kernel's list of registrations as well, which briefly delays
    /// events of large pollers.
    #[arg(long)]
    pub(super) kernel: bool,
    /// Leave this lint out, or broken-law; may be given several times.
    #[arg(long, value_name = "LINT")]
    pub(super) allow: Vec<Check>,
    /// How long a fault must last before it is reported, for example stuck-waiter=5s; may be given
    /// several times.
    #[arg(long, value_name = "LINT=DUR")]
    pub(super) hold: Vec<Hold>,
    /// Print the lints, what they look for and how long they wait, and look at nothing.
    #[arg(long)]
    pub(super) list: bool,
}

/// What can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Lint(Lint),
    /// The conservation laws.
    Laws,
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == laws::NAME {
            return Ok(Self::Laws);
        }
        text.parse()
            .map(Self::Lint)
            .map_err(|error: netpoller::view::lints::UnknownLint| {
                format!("{error}, {}", laws::NAME)
            })
    }
}

/// A lint and its hold time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) lint: Lint,
    pub(super) time: Duration,
}

impl FromStr for Hold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (lint, time) = text
            .split_once('=')
            .ok_or("write LINT=DUR, for example stuck-waiter=5s")?;
        Ok(Self {
            lint: lint
                .parse()
                .map_err(|error: netpoller::view::lints::UnknownLint| error.to_string())?,
            time: humantime::parse_duration(time).map_err(|error| error.to_string())?,
        })
    }
}
