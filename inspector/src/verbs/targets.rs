//! `netpoller targets`.

use crate::document;
use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::out::Head;
use crate::source::{discover, discover_outside, hidden};
use crate::table::{Context, TARGETS};
use crate::verbs::verb::{Usage, Verb, known};
use clap::Args;

/// Which of them.
#[derive(Debug, Args)]
pub(crate) struct TargetsArgs {
    /// List the processes without an endpoint as well that have an epoll set: they can be read from
    /// outside.
    #[arg(long, short)]
    all: bool,
}

impl Verb for TargetsArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it lists processes, all that there are",
            target: false,
            limit: true,
            columns: Some(|name| known(&TARGETS, name)),
            sort: Some(|name| known(&TARGETS, name)),
            ..Usage::of("targets")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let mut found = discover(globals.timeout).await;
            if self.all {
                found.extend(discover_outside(&found));
            }
            if found.is_empty() {
                note(
                    "no process of this user has an inspection endpoint; --all lists what can be read from outside",
                );
            }
            if let Some(hidden) = hidden() {
                note(&hidden);
            }
            let style = globals.style();
            let head = Head {
                schema: "netpoller/v1/targets",
                target: None,
                context: Context {
                    now_ns: netpoller::view::now_ns(),
                    ascii: style.ascii,
                    ..Context::default()
                },
                captured_at: Some(
                    humantime::format_rfc3339_nanos(std::time::SystemTime::now()).to_string(),
                ),
            };
            super::print(|out| style.rows(out, head, &TARGETS, &mut found, document::target))
        })
    }
}
