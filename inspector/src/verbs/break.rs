//! `netpoller break`: ends the wait of the thread that polls, as `evict` at an endpoint that acts.

use netpoller_proto::v1::BreakRequest;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::Format;
use crate::source::Control;
use crate::verbs::control::ControlArgs;
use crate::verbs::verb::{NO_CSV, Usage, Verb};
use clap::Args;

/// Which thread to wake, and where.
#[derive(Debug, Args)]
pub(crate) struct BreakArgs {
    /// Name of the poller; may be left out when there is only one.
    poller: Option<String>,
    #[command(flatten)]
    control: ControlArgs,
}

impl Verb for BreakArgs {
    fn usage(&self) -> Usage {
        Usage {
            formats: NO_CSV,
            instead: "use --format json",
            ..Usage::of("break")
        }
    }

    /// Wakes the thread that polls.
    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let mut control =
                Control::connect(&self.control.target(&globals.access), globals.timeout).await?;
            let request = BreakRequest {
                poller: self.poller.clone().unwrap_or_default(),
            };
            let written = control.wake(request).await?.written;
            super::print(|out| match globals.format {
                Format::Json | Format::Jsonl => Ok(writeln!(
                    out,
                    "{}",
                    serde_json::json!({"written": written})
                )?),
                _ if written => Ok(writeln!(out, "the break was written")?),
                _ => Ok(writeln!(out, "a break was pending already")?),
            })
        })
    }
}
