//! What a shell completes beside verbs and flags: targets, columns, fields, lints and ids.
//!
//! The script that `netpoller completions` prints calls this command again, with what was typed so
//! far, and a variable that says so. It answers with what it knows at that moment, within a time in
//! which nobody gets impatient; what cannot be asked is not completed.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use netpoller::view::lints::Lint;
use netpoller_proto::filter::{Field, Type};

use super::args::Cli;
use crate::config::{self, Config};
use crate::source::{Selection, TargetSpec, choose, discover, discover_outside};
use crate::table::{Named, TABLES};
use crate::verbs::completions::VARIABLE;
use crate::verbs::listing::Listing;
use crate::verbs::session::block_on;

/// How long a process has to answer.
const PATIENCE: Duration = Duration::from_millis(700);
/// Ids that are offered.
const MOST_IDS: usize = 500;

/// Answers a shell, if it is one that asks.
pub(super) fn answer() -> Option<ExitCode> {
    let folder = std::env::current_dir().ok();
    let answered = CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .bin("netpoller")
        .try_complete(std::env::args_os(), folder.as_deref());
    match answered {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        Err(error) => error.exit(),
    }
}

/// The command line with what completes its values.
fn command() -> Command {
    let complete = |command: Command, id: &'static str, with: fn(&OsStr) -> Candidates| {
        let known = command.get_arguments().any(|it| it.get_id() == id);
        match known {
            true => command.mut_arg(id, |it| it.add(ArgValueCompleter::new(with))),
            false => command,
        }
    };
    let command = complete(Cli::command(), "target", targets);
    let command = complete(command, "columns", columns);
    let command = complete(command, "sort", orders);
    let command = complete(command, "filter_text", filters);
    command.mut_subcommands(|verb| {
        let verb = match verb.get_name() {
            "describe" | "evict" | "events" | "hist" => complete(verb, "id", ids),
            "diff" => complete(complete(verb, "from", targets), "to", targets),
            _ => verb,
        };
        let verb = complete(verb, "until", filters);
        let verb = complete(verb, "allow", lints);
        complete(verb, "hold", lints)
    })
}

type Candidates = Vec<CompletionCandidate>;

/// Those that begin as what was typed.
fn beginning<T: AsRef<str>>(typed: &str, all: impl IntoIterator<Item = (T, String)>) -> Candidates {
    let all = all
        .into_iter()
        .filter(|(value, _)| value.as_ref().starts_with(typed));
    all.map(|(value, help)| {
        let help = Some(help).filter(|it| !it.is_empty());
        CompletionCandidate::new(value.as_ref()).help(help.map(Into::into))
    })
    .collect()
}

/// What was typed, as far as it can be understood.
fn typed() -> Option<ArgMatches> {
    let words: Vec<OsString> = std::env::args_os()
        .skip_while(|it| it != "--")
        .skip(1)
        .collect();
    Cli::command()
        .ignore_errors(true)
        .try_get_matches_from(words)
        .ok()
}

fn settings(typed: Option<&ArgMatches>) -> Config {
    let named = typed.and_then(|it| it.get_one("config").cloned());
    config::load(named, &Cli::command()).unwrap_or_default()
}

fn targets(current: &OsStr) -> Candidates {
    let settings = settings(typed().as_ref());
    let aliases = settings
        .targets
        .into_iter()
        .map(|(name, alias)| (name, alias.text));
    let mut all: Vec<(String, String)> = aliases.collect();
    let found = block_on(async {
        let mut found = discover(PATIENCE).await;
        found.extend(discover_outside(&found));
        Ok(found)
    });
    for found in found.unwrap_or_default() {
        all.push((format!("pid:{}", found.pid), found.executable.clone()));
        if !found.name().is_empty() && !all.iter().any(|(name, _)| name == found.name()) {
            all.push((found.name().to_owned(), format!("pid {}", found.pid)));
        }
    }
    beginning(&current.to_string_lossy(), all)
}

/// The table that was named, or is listed.
fn table(typed: Option<&ArgMatches>) -> Option<&'static Named> {
    let name = match typed.and_then(ArgMatches::subcommand) {
        Some(("targets", _)) => "targets",
        Some(("audit", _)) => "laws",
        Some((_, verb)) => match verb.try_get_one::<Listing>("what") {
            Ok(Some(what)) => what.name(),
            _ => "descriptors",
        },
        None => "descriptors",
    };
    TABLES.iter().find(|table| table.name == name)
}

/// The columns of the table, with what their fields are.
fn names(table: Option<&'static Named>) -> Vec<(&'static str, String)> {
    let columns = table.map(|table| (table.columns)()).unwrap_or_default();
    let help = |name: &str| Field::named(name).map_or("", Field::help).to_owned();
    columns.into_iter().map(|name| (name, help(name))).collect()
}

fn columns(current: &OsStr) -> Candidates {
    // The engine takes a list apart at its commas.
    beginning(&current.to_string_lossy(), names(table(typed().as_ref())))
}

fn orders(current: &OsStr) -> Candidates {
    let columns = names(table(typed().as_ref()));
    let orders = columns.into_iter().flat_map(|(name, help)| {
        [
            (name.to_owned(), help.clone()),
            (format!("{name}:desc"), help),
        ]
    });
    beginning(&current.to_string_lossy(), orders)
}

/// The field, and the values of one that has few.
fn filters(current: &OsStr) -> Candidates {
    let text = current.to_string_lossy();
    // What stands before the last word stays.
    let start = text.rfind([' ', '(', '!']).map_or(0, |at| at + 1);
    let (before, word) = text.split_at(start);
    let all: Vec<(String, String)> = match word.split_once('=') {
        Some((name, _)) => match Field::named(name).map(Field::kind) {
            Some(Type::OneOf(values)) => {
                let values = values().into_iter();
                values
                    .map(|it| (format!("{before}{name}={it}"), String::new()))
                    .collect()
            }
            _ => Vec::new(),
        },
        None => {
            let fields = Field::ALL.iter();
            fields
                .map(|it| (format!("{before}{}", it.name()), it.help().to_owned()))
                .collect()
        }
    };
    beginning(&text, all)
}

fn lints(current: &OsStr) -> Candidates {
    let all = Lint::ALL.map(|lint| (lint.name(), lint.help().to_owned()));
    beginning(&current.to_string_lossy(), all)
}

/// The ids of the process that was named, or of the only one.
fn ids(current: &OsStr) -> Candidates {
    let typed = typed();
    let said = typed
        .as_ref()
        .and_then(|it| it.get_one::<TargetSpec>("target").cloned());
    let said = match said {
        Some(TargetSpec::Name(name)) => {
            let alias = settings(typed.as_ref()).targets.remove(&name);
            Some(alias.map_or(TargetSpec::Name(name), |it| {
                it.target.with_access(&it.access)
            }))
        }
        other => other,
    };
    let rows = block_on(async {
        let connection = choose(said.as_ref(), PATIENCE).await?;
        let selection = Selection {
            limit: Some(MOST_IDS),
            ..Selection::default()
        };
        let several = connection.server.pollers.len() > 1;
        let rows = connection.descriptors(&selection).await?.rows;
        Ok(rows
            .into_iter()
            .map(|row| {
                let id = if several {
                    row.key()
                } else {
                    row.id().to_string()
                };
                let kind = row.kind().name();
                (id, format!("{kind} {}", row.peer).trim_end().to_owned())
            })
            .collect::<Vec<_>>())
    });
    beginning(&current.to_string_lossy(), rows.unwrap_or_default())
}
