//! The common flags, which are the settings of the first level: a file may say what any of them
//! says, under its long name.

use std::error::Error as _;

use clap::builder::Resettable;
use clap::{Arg, ArgAction, Command};

use crate::query::Query;
use crate::table::{SortSpec, known_anywhere};
use crate::text;

/// What a setting is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true` or `false`.
    Truth,
    /// A list of texts.
    List,
    /// A number, or a text such as 1k.
    Number,
    /// A text.
    Text,
}

/// Returns the flags that a file may speak for.
pub(crate) fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    let all = command.get_arguments().filter(|flag| flag.is_global_set());
    // A file does not say where it is.
    // A moment belongs to one recording.
    all.filter(|flag| !matches!(long(flag), "" | "at" | "config"))
}

/// Returns the name of a flag, which is that of its setting.
pub(crate) fn long(flag: &Arg) -> &str {
    flag.get_long().unwrap_or_default()
}

pub(super) fn kind(flag: &Arg) -> Kind {
    match flag.get_action() {
        ArgAction::SetTrue => Kind::Truth,
        _ if flag.get_value_delimiter().is_some() => Kind::List,
        _ if long(flag) == "limit" => Kind::Number,
        _ => Kind::Text,
    }
}

/// Returns what a flag can say, if that is one of a few words.
pub(super) fn words(flag: &Arg) -> Vec<String> {
    match kind(flag) {
        Kind::Text => flag
            .get_possible_values()
            .iter()
            .map(|value| value.get_name().to_owned())
            .collect(),
        _ => Vec::new(),
    }
}

/// Refuses what the flag would refuse, and what no verb could do anything with.
pub(super) fn check(command: &Command, flag: &Arg, values: &[String]) -> Result<(), String> {
    let (name, value) = (long(flag), values.join(","));
    let words = words(flag);
    if !words.is_empty() && !words.contains(&value) {
        let known = words.iter().map(String::as_str);
        let suggestion = text::suggestion(&value, known);
        return Err(format!("`{value}` is no {name}; {suggestion}"));
    }
    let known = |column: &str| known_anywhere(column).map_err(|failure| failure.to_string());
    match name {
        "where" => value.parse::<Query>().map(drop)?,
        "columns" => values.iter().try_for_each(|column| known(column))?,
        "sort" => known(&value.parse::<SortSpec>()?.column)?,
        _ => {}
    }
    if kind(flag) == Kind::Truth {
        return Ok(());
    }
    // As on the command line, and with nothing else said.
    let alone = command.clone().mut_args(|it| it.env(Resettable::Reset));
    let said = format!("--{name}={value}");
    match alone.try_get_matches_from([command.get_name(), &said]) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.source() {
            Some(reason) => format!("`{value}` is no {name}: {reason}"),
            None => format!("`{value}` is no {name}"),
        }),
    }
}
