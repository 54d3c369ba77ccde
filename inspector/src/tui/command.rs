//! The command line: what can be said after a colon, and how it is completed.

use super::app::App;
use crate::source::TargetSpec;
use crate::table::{SortSpec, find};
use crate::text;

/// What was said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Nothing,
    View(usize),
    /// The details of a descriptor: its number, or its id.
    Open(Which),
    Sort(SortSpec),
    /// These columns; the usual ones, if none is named.
    Columns(Vec<&'static str>),
    Where(String),
    /// The shown table, to this file, or to one that is named for it.
    Save(Option<String>),
    Copy,
    /// Look at a process beside the others.
    Look(TargetSpec),
    /// Look no longer at this one.
    Close,
    Help,
    Quit,
}

/// A descriptor, as it is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Which {
    Fd(i32),
    Id(String),
}

/// Words that take what stands behind them, and that stand alone.
const WITH: [&str; 7] = ["fd", "id", "sort", "columns", "where", "save", "target"];
const ALONE: [&str; 4] = ["copy", "close", "help", "quit"];

/// All words, the views first.
fn words(app: &App) -> Vec<String> {
    let views = app.views.iter().map(|view| view.title.to_lowercase());
    let others = WITH.into_iter().chain(ALONE).map(str::to_owned);
    views.chain(others).collect()
}

/// Reads a command.
pub(crate) fn read(app: &App, line: &str) -> Result<Said, String> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let mut views = app.views.iter();
    if let Some(view) = views.position(|view| view.title.eq_ignore_ascii_case(word)) {
        return Ok(Said::View(view));
    }
    match word {
        "" => Ok(Said::Nothing),
        "fd" => match rest.parse() {
            Ok(fd) => Ok(Said::Open(Which::Fd(fd))),
            Err(_) => Err("write the number of a descriptor, as in `fd 42`".into()),
        },
        "id" if rest.is_empty() => Err("write an id, as in `id 42.7`".into()),
        "id" => Ok(Said::Open(Which::Id(rest.to_owned()))),
        "sort" => {
            let spec: SortSpec = rest.parse()?;
            let table = app.table().ok_or("this view is not sorted")?;
            let column = find(table.table.columns, &spec.column).map_err(|it| it.to_string())?;
            Ok(Said::Sort(SortSpec {
                column: column.name.to_owned(),
                // What is old, or much, comes first unless an order is named.
                descending: match rest.contains(':') {
                    true => spec.descending,
                    false => column.largest_first,
                },
            }))
        }
        "columns" => {
            let table = app
                .table()
                .ok_or("this view has no columns to choose from")?;
            let names = rest.split([',', ' ']).filter(|name| !name.is_empty());
            let columns = names.map(|name| {
                let column = find(table.table.columns, name).map_err(|it| it.to_string())?;
                Ok(column.name)
            });
            Ok(Said::Columns(columns.collect::<Result<_, String>>()?))
        }
        "where" => Ok(Said::Where(rest.to_owned())),
        "save" => Ok(Said::Save(
            Some(rest.to_owned()).filter(|it| !it.is_empty()),
        )),
        "copy" => Ok(Said::Copy),
        "target" if rest.is_empty() => {
            Err("write what to look at, as in `target pid:4242`; T lists processes".into())
        }
        "target" => Ok(Said::Look(app.names.read(rest)?)),
        "close" => Ok(Said::Close),
        "help" => Ok(Said::Help),
        "quit" | "q" => Ok(Said::Quit),
        _ => {
            let words = words(app);
            let known = words.iter().map(String::as_str);
            Err(format!(
                "no command is called `{word}`; {}",
                text::suggestion(word, known)
            ))
        }
    }
}

/// Completes the last word, as far as it is certain.
pub(crate) fn complete(app: &App, line: &str) -> String {
    let begin = line.rfind([' ', ',']).map_or(0, |at| at + 1);
    let (before, last) = line.split_at(begin);
    let candidates: Vec<String> = match before.split_whitespace().next() {
        None => words(app),
        Some("sort" | "columns") => {
            let columns = app.table().map(|table| table.table.columns);
            let columns = columns.into_iter().flatten();
            columns.map(|column| column.name.to_owned()).collect()
        }
        Some("where") => {
            let fields = netpoller_proto::filter::Field::ALL.iter();
            fields.map(|field| field.name().to_owned()).collect()
        }
        Some("target") => app.names.aliases.keys().cloned().collect(),
        Some(_) => Vec::new(),
    };
    let mut fitting = candidates.iter().filter(|it| it.starts_with(last));
    let Some(first) = fitting.next() else {
        return line.to_owned();
    };
    let others: Vec<&String> = fitting.collect();
    if others.is_empty() {
        let behind = match WITH.contains(&first.as_str()) && before.is_empty() {
            true => " ",
            false => "",
        };
        return format!("{before}{first}{behind}");
    }
    // What all of them begin with.
    let mut common = first.as_str();
    for other in others {
        while !other.starts_with(common) {
            let end = common.char_indices().next_back().map_or(0, |(at, _)| at);
            common = &common[..end];
        }
    }
    format!("{before}{common}")
}
