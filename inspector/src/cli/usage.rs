//! Which of the common flags mean something to which verb.
//!
//! A flag that is given and means nothing is refused, never passed over in silence. The same thing
//! said in the environment is a default for every verb, so there it is passed over.

use std::io::IsTerminal;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::args::{Cli, Verb};
use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::Format;
use crate::query::{Query, Scope};
use crate::table::{
    self, Column, DEADLINES, DESCRIPTORS, LAWS, POLLERS, SortSpec, TARGETS, WAITERS,
};
use crate::verbs::listing::Listing;

/// What a verb makes use of.
struct Usage {
    verb: &'static str,
    /// Why it does not make use of the rest.
    why: &'static str,
    target: bool,
    interval: bool,
    limit: bool,
    /// What its filter is about.
    filter: Option<Scope>,
    /// The columns of its table, to choose among and to sort by.
    columns: Names,
    sort: Names,
    formats: &'static [Format],
    /// What to use instead of the others.
    instead: &'static str,
}

/// Whether a table has a column of this name.
type Known = fn(&str) -> Result<(), Failure>;
/// The same, of a verb that may have no table.
type Names = Option<Known>;

const ALL: &[Format] = &[
    Format::Table,
    Format::Wide,
    Format::Json,
    Format::Jsonl,
    Format::Csv,
];
const NO_CSV: &[Format] = &[Format::Table, Format::Wide, Format::Json, Format::Jsonl];
const NO_DOCUMENT: &[Format] = &[Format::Table, Format::Wide, Format::Jsonl];
const NONE: &[Format] = &[Format::Table];

fn known<R>(columns: &'static [Column<R>], name: &str) -> Result<(), Failure> {
    table::find(columns, name).map(drop)
}

/// A verb without rows.
const PLAIN: Usage = Usage {
    verb: "",
    why: "it has no rows",
    target: true,
    interval: false,
    limit: false,
    filter: None,
    columns: None,
    sort: None,
    formats: ALL,
    instead: "",
};

fn listing(verb: &'static str, what: Listing) -> Usage {
    let names: Names = match what {
        Listing::Descriptors => Some(|name| known(DESCRIPTORS.columns, name)),
        Listing::Waiters => Some(|name| known(WAITERS.columns, name)),
        Listing::Deadlines => Some(|name| known(DEADLINES.columns, name)),
        Listing::Pollers => Some(|name| known(&POLLERS, name)),
    };
    Usage {
        verb,
        why: match what {
            Listing::Pollers => {
                "filters are for descriptors, waiters and deadlines, not for pollers"
            }
            _ => "it is one answer",
        },
        limit: true,
        filter: what.scope(),
        columns: names,
        sort: names,
        ..PLAIN
    }
}

fn tui(verb: &'static str, formats: &'static [Format]) -> Usage {
    Usage {
        verb,
        why: "the terminal UI shows all rows that there is room for, in columns that fit; `netpoller ls` has these flags",
        interval: true,
        filter: Some(Scope::Any),
        sort: Some(|name| {
            known(DESCRIPTORS.columns, name)
                .or_else(|error| known(WAITERS.columns, name).map_err(|_| error))
        }),
        formats,
        ..PLAIN
    }
}

fn usage(verb: Option<&Verb>) -> Usage {
    match verb {
        None if std::io::stdout().is_terminal() => tui("netpoller", NONE),
        None => listing("ls", Listing::Descriptors),
        Some(Verb::Targets) => Usage {
            verb: "targets",
            why: "it lists processes, all that there are",
            target: false,
            limit: true,
            columns: Some(|name| known(&TARGETS, name)),
            sort: Some(|name| known(&TARGETS, name)),
            ..PLAIN
        },
        Some(Verb::Ls { what }) => listing("ls", *what),
        Some(Verb::Top { what, .. }) => Usage {
            interval: true,
            ..listing("top", *what)
        },
        Some(Verb::Stats) => Usage {
            verb: "stats",
            ..PLAIN
        },
        Some(Verb::Describe { .. }) => Usage {
            verb: "describe",
            formats: NO_CSV,
            instead: "a description is no table; use --format json",
            ..PLAIN
        },
        Some(Verb::Hist { .. }) => Usage {
            verb: "hist",
            interval: true,
            ..PLAIN
        },
        Some(Verb::Watch { what, .. }) => Usage {
            verb: "watch",
            why: "changes come as they happen",
            interval: true,
            limit: true,
            filter: what.scope(),
            formats: NO_DOCUMENT,
            instead: "changes have no end, so there is no whole document; use --format jsonl",
            ..PLAIN
        },
        Some(Verb::Events(args)) => Usage {
            verb: "events",
            why: "events come as they happen",
            limit: true,
            filter: Some(Scope::Events),
            formats: if args.dump { NO_CSV } else { NO_DOCUMENT },
            instead: if args.dump {
                "events have no CSV form; use --format jsonl"
            } else {
                "events have no end, so there is no whole document; use --format jsonl, or --dump"
            },
            ..PLAIN
        },
        Some(Verb::Audit { duration, .. }) => Usage {
            verb: "audit",
            why: "it checks laws, once unless --for says for how long",
            interval: duration.is_some(),
            limit: true,
            columns: Some(|name| known(&LAWS, name)),
            sort: Some(|name| known(&LAWS, name)),
            ..PLAIN
        },
        Some(Verb::Doctor(args)) => Usage {
            verb: "doctor",
            why: "it has findings and no table; leave lints out with --allow",
            target: !args.list,
            formats: if args.list { NO_CSV } else { ALL },
            instead: "the catalogue has no CSV form; use --format json",
            ..PLAIN
        },
        Some(Verb::Evict { .. }) => Usage {
            verb: "evict",
            formats: NO_CSV,
            instead: "use --format json",
            ..PLAIN
        },
        Some(Verb::Break { .. }) => Usage {
            verb: "break",
            formats: NO_CSV,
            instead: "use --format json",
            ..PLAIN
        },
        Some(Verb::Tui) => tui("tui", NONE),
        Some(Verb::Demo(_)) => Usage {
            target: false,
            instead: "the summary has no CSV form; use --format json",
            ..tui("demo", NO_CSV)
        },
        Some(Verb::Fields) => Usage {
            verb: "fields",
            target: false,
            formats: NONE,
            ..PLAIN
        },
        Some(Verb::Completions { .. }) => Usage {
            verb: "completions",
            target: false,
            formats: NONE,
            ..PLAIN
        },
    }
}

/// Keeps of the common flags what means something to the verb, and refuses what was said and means
/// nothing.
pub(crate) fn settle(cli: &mut Cli, matches: &ArgMatches) -> Result<(), Failure> {
    let usage = usage(cli.verb.as_ref());
    let globals = &mut cli.globals;
    let given = Given {
        matches,
        usage: &usage,
    };
    if !usage.target && given.is_refused("target", "--target")? {
        globals.target = None;
    }
    if !usage.interval && given.is_refused("interval", "--interval")? {
        globals.interval = Globals::INTERVAL;
    }
    if !usage.limit && given.is_refused("limit", "--limit")? {
        globals.limit = None;
    }
    if !usage.formats.contains(&globals.format) {
        if given.is_said("format") {
            return Err(Failure::Usage(match usage.instead {
                "" => given.nothing("--format"),
                instead => instead.to_owned(),
            }));
        }
        globals.format = Format::Table;
    }
    columns(globals, &given)?;
    sort(globals, &given)?;
    filter(globals, &given)
}

struct Given<'a> {
    matches: &'a ArgMatches,
    usage: &'a Usage,
}

impl Given<'_> {
    /// On the command line, and not in the environment.
    fn is_said(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    fn nothing(&self, flag: &str) -> String {
        let Usage { verb, why, .. } = self.usage;
        format!("{flag} means nothing to `{verb}`: {why}")
    }

    /// An error if it was said; true if it is only in the environment, or not there at all.
    fn is_refused(&self, id: &str, flag: &str) -> Result<bool, Failure> {
        if self.is_said(id) {
            return Err(Failure::Usage(self.nothing(flag)));
        }
        Ok(true)
    }
}

/// What no table knows is a slip of the pen, wherever it was made.
fn known_anywhere(name: &str) -> Result<(), Failure> {
    let others: [Known; 5] = [
        |name| known(WAITERS.columns, name),
        |name| known(DEADLINES.columns, name),
        |name| known(&POLLERS, name),
        |name| known(&LAWS, name),
        |name| known(&TARGETS, name),
    ];
    known(DESCRIPTORS.columns, name).or_else(|error| {
        others
            .iter()
            .find_map(|other| other(name).ok())
            .ok_or(error)
    })
}

fn columns(globals: &mut Globals, given: &Given<'_>) -> Result<(), Failure> {
    let Some(names) = &mut globals.columns else {
        return Ok(());
    };
    match given.usage.columns {
        Some(known) if given.is_said("columns") => {
            return names.iter().try_for_each(|name| known(name.trim()));
        }
        Some(known) => {
            names.retain(|name| !name.trim().is_empty());
            names
                .iter()
                .try_for_each(|name| known_anywhere(name.trim()))?;
            names.retain(|name| known(name.trim()).is_ok());
        }
        None if given.is_refused("columns", "--columns")? => names.clear(),
        None => {}
    }
    if names.is_empty() {
        globals.columns = None;
    }
    Ok(())
}

fn sort(globals: &mut Globals, given: &Given<'_>) -> Result<(), Failure> {
    let Some(SortSpec { column, .. }) = &globals.sort else {
        return Ok(());
    };
    match given.usage.sort {
        Some(known) if given.is_said("sort") => return known(column),
        Some(known) => {
            known_anywhere(column)?;
            if known(column).is_ok() {
                return Ok(());
            }
        }
        None => {
            given.is_refused("sort", "--sort")?;
        }
    }
    globals.sort = None;
    Ok(())
}

fn filter(globals: &mut Globals, given: &Given<'_>) -> Result<(), Failure> {
    let Some(text) = globals.filter_text.take() else {
        return Ok(());
    };
    let said = given.is_said("filter_text");
    let Some(scope) = given.usage.filter else {
        return given.is_refused("filter_text", "--where").map(drop);
    };
    let flag = if said { "--where" } else { "NETPOLLER_WHERE" };
    let wrong = |error: String| {
        Failure::Usage(format!(
            "{flag}: {error}\n`netpoller fields` lists the fields and operators"
        ))
    };
    let query: Query = text.parse().map_err(wrong)?;
    match query.check(scope) {
        Ok(()) => globals.filter = Some(query),
        // A default for other tables than this.
        Err(_) if !said => {}
        Err(error) => return Err(wrong(error)),
    }
    Ok(())
}
