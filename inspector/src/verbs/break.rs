//! `netpoller break`: ends the wait of the thread that polls, as `evict` at an endpoint that acts.

use netpoller_proto::v1::BreakRequest;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::Format;
use crate::source::Control;
use crate::verbs::control::ControlArgs;

/// Wakes the thread that polls.
pub(crate) fn run(
    globals: &Globals,
    poller: Option<&str>,
    args: &ControlArgs,
) -> Result<(), Failure> {
    super::block_on(async {
        let mut control = Control::connect(&args.target(&globals.access), globals.timeout).await?;
        let request = BreakRequest {
            poller: poller.unwrap_or_default().to_owned(),
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
