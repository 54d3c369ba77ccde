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
    /// List those alone that have an inspection endpoint. The others have an epoll set, and are
    /// read from outside.
    #[arg(long, short)]
    endpoints: bool,
}

impl Verb for TargetsArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it lists processes, all that there are",
            target: false,
            limit: true,
            columns: Some(|name| known(&TARGETS, name)),
            sort: Some(|name| known(&TARGETS, name)),
            view: "targets",
            ..Usage::of("targets")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        super::block_on(async {
            let mut found = discover(globals.timeout).await;
            if !self.endpoints {
                found.extend(discover_outside(&found));
            }
            for (name, alias) in &globals.settings.targets {
                let named = found.iter_mut().filter(|it| it.is(&alias.target));
                named.for_each(|it| it.alias = Some(name.clone()));
            }
            if found.is_empty() {
                note(match self.endpoints {
                    true => "no process of this user has an inspection endpoint",
                    false => "no process of this user has an inspection endpoint, or an epoll set",
                });
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
