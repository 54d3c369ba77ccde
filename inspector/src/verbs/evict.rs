//! `netpoller evict`: releases who waits on a descriptor.
//!
//! The endpoint that shows does not act; this verb takes the address of another one, which a
//! program opens on purpose.

use std::io::{self, IsTerminal, Write};

use netpoller_proto::v1::{EvictRequest, EvictResponse};
use netpoller_proto::vocabulary::DescId;

use crate::failure::Failure;
use crate::foreign;
use crate::globals::Globals;
use crate::out::Format;
use crate::source::{Control, Selector};
use crate::verbs::control::ControlArgs;
use crate::verbs::verb::{NO_CSV, Usage, Verb};
use clap::Args;

/// What to evict, and where.
#[derive(Debug, Args)]
pub(crate) struct EvictArgs {
    /// Its id as in `ls`, or its number as fd:19 or `fd 19`.
    #[arg(required = true, num_args = 1..=2, value_name = "ID|fd N")]
    id: Vec<String>,
    #[command(flatten)]
    control: ControlArgs,
    /// Do not ask first.
    #[arg(short, long)]
    yes: bool,
}

impl Verb for EvictArgs {
    fn usage(&self) -> Usage {
        Usage {
            formats: NO_CSV,
            instead: "use --format json",
            ..Usage::of("evict")
        }
    }

    /// Releases who waits on a descriptor.
    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let args = &self.control;
        let which = Selector::of(&self.id)?;
        super::block_on(async {
            let subject = match &which {
                Selector::Id { poller, id } => Subject {
                    poller: poller.clone(),
                    id: *id,
                    named: which.to_string(),
                },
                // The endpoint that acts does not show, so the one that shows is asked whose number
                // it is.
                Selector::Fd(_) => {
                    let (poller, id) = which.find(&super::connection(globals).await?).await?;
                    Subject {
                        // What is asked about is what was found: the number may belong to another
                        // one by now.
                        named: format!("{which}, which is {poller}/{id},"),
                        poller: Some(poller),
                        id,
                    }
                }
            };
            let mut control =
                Control::connect(&args.target(&globals.access), globals.timeout).await?;
            let Subject { poller, id, named } = subject;
            if !self.yes {
                confirm(&format!(
                    "evict {named} at {}: whoever waits on it is released, and its owner cannot use it any more",
                    args.control
                ))?;
            }
            let request = EvictRequest {
                poller: poller.clone().unwrap_or_default(),
                id: id.to_string(),
            };
            let EvictResponse { evicted, released } = control.evict(request).await?;
            super::print(|out| match globals.format {
                Format::Json | Format::Jsonl => Ok(writeln!(
                    out,
                    "{}",
                    serde_json::json!({"poller": poller, "id": id.to_string(), "evicted": evicted, "released": released})
                )?),
                _ if evicted => {
                    let named = named.trim_end_matches(',');
                    Ok(writeln!(
                        out,
                        "evicted {named}: {released} waiters released"
                    )?)
                }
                _ => Ok(writeln!(out, "{named} was closed or evicted before")?),
            })
        })
    }
}

/// Whom it is about.
struct Subject {
    /// Its poller; `None` if it was not named, as the only one need not be.
    poller: Option<String>,
    id: DescId,
    /// As people read it.
    named: String,
}

/// Asks a person. Without one, `--yes` must have been said.
fn confirm(what: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "{what}; say --yes if this is meant"
        )));
    }
    let mut stderr = io::stderr();
    let asked = write!(stderr, "{}\nGo on? [y/N] ", foreign::lines(what));
    asked
        .and_then(|()| stderr.flush())
        .map_err(|error| Failure::Runtime(format!("asking: {error}")))?;
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::Runtime(format!("reading the answer: {error}")))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::Declined)
}
