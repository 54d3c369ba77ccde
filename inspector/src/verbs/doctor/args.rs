//! What the doctor can be told.

use std::time::Duration;

use clap::Args;

use crate::findings::{FEW, Hold, Terms, When};

/// What the doctor can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    /// Look again and again for this time and print what is new; without it, look once, for a
    /// second. Of a recording it is the time of the recording.
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
    /// What is to be looked for.
    pub(super) fn terms(&self) -> Terms {
        Terms {
            kernel: self.kernel,
            few: FEW,
            allow: self.allow.clone(),
            hold: self.hold.clone(),
        }
    }
}
