//! `netpoller tui`.

use std::io::{self, IsTerminal};

use super::{block_on, connection};
use crate::config::View;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::paint::is_dumb;
use crate::query::Scope;
use crate::source::discover;
use crate::table::{DESCRIPTORS, WAITERS};
use crate::tui;
use crate::verbs::verb::{NONE, Usage, Verb, known};
use clap::Args;

/// Nothing but what every verb accepts.
#[derive(Debug, Default, Args)]
pub(crate) struct TuiArgs {
    /// No verb was said.
    #[arg(skip)]
    pub(crate) unsaid: bool,
}

impl Verb for TuiArgs {
    fn usage(&self) -> Usage {
        let verb = if self.unsaid { "netpoller" } else { "tui" };
        Usage {
            formats: NONE,
            ..usage(verb)
        }
    }

    /// Connects first, so that a wrong target is reported on the plain terminal and with its exit
    /// code.
    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
            return Err(Failure::Usage(
                "the terminal UI needs a terminal; `netpoller ls` prints the same rows".into(),
            ));
        }
        if is_dumb() {
            return Err(Failure::Usage(
                "the terminal UI needs a terminal that can move its cursor, and TERM says `dumb`; `netpoller ls` prints \
                 the same rows, `netpoller top` again and again"
                    .into(),
            ));
        }
        let target = block_on(async {
            // With several there is a choice.
            if globals.target.is_none() && discover(globals.timeout).await.len() > 1 {
                return Ok(None);
            }
            Ok(Some(connection(globals).await?.target))
        })?;
        tui::run(target.as_ref(), &options(globals))
    }
}

/// What the terminal UI makes use of, whoever opens it.
pub(crate) fn usage(verb: &'static str) -> Usage {
    Usage {
        why: "the terminal UI shows all rows that there is room for, in columns that fit; `netpoller ls` has these flags",
        interval: true,
        filter: Some(Scope::Any),
        sort: Some(|name| {
            known(DESCRIPTORS.columns, name)
                .or_else(|error| known(WAITERS.columns, name).map_err(|_| error))
        }),
        ..Usage::of(verb)
    }
}

/// How processes are called, and what is shown to them.
fn names(globals: &Globals) -> tui::Names {
    let aliases = globals.settings.targets.iter().map(|(name, alias)| {
        let access = alias.access.clone().or(&globals.access);
        (name.clone(), alias.target.clone().with_access(&access))
    });
    tui::Names {
        aliases: aliases.collect(),
        access: globals.access.clone(),
    }
}

/// How it is opened, as the command line says.
pub(crate) fn options(globals: &Globals) -> tui::Options {
    let style = globals.style();
    let filter = globals.filter.as_ref();
    let views = globals.settings.views.iter();
    let arrangement = |(name, view): (&&'static str, &View)| tui::Arrangement {
        view: name,
        columns: view.columns.clone(),
        sort: view.sort.clone(),
    };
    tui::Options {
        interval: globals.interval,
        timeout: globals.timeout,
        color: style.color,
        ascii: style.ascii,
        keymap: globals.settings.keymap.clone(),
        views: views.map(arrangement).collect(),
        names: names(globals),
        filter: filter.map(|filter| filter.text().to_owned()),
        sort: style.sort,
        until: None,
    }
}
