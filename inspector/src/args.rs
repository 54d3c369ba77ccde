//! The command line, in one file.

use std::str::FromStr;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::client::TargetSpec;
use crate::cmd::DoctorArgs;
use crate::demo::DemoArgs;
use crate::paint::ColorChoice;
use crate::query::Query;

/// Lists, watches and explains the network descriptors of a running service.
///
/// Without a verb it opens the terminal UI, or prints `ls` when stdout is not a terminal.
#[derive(Debug, Parser)]
#[command(
    name = "netpoller",
    version,
    propagate_version = true,
    max_term_width = 110
)]
#[command(
    after_help = "Exit codes: 0 ok, 1 runtime failure, 2 usage, 3 findings, 4 cannot connect, 5 incompatible version, \
                        124 timeout, 128+n ended by signal n."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// What every verb accepts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Process to look at: unix:PATH, /path, http://host:port or pid:N; may be left out when there is only one.
    #[arg(
        short,
        long,
        global = true,
        env = "NETPOLLER_TARGET",
        value_name = "TARGET"
    )]
    pub(crate) target: Option<TargetSpec>,
    /// Shape of the output.
    #[arg(
        short,
        long,
        global = true,
        env = "NETPOLLER_FORMAT",
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub(crate) format: Format,
    /// Rows that hold, for example 'state=parked && since>5s && kind=tcp'.
    #[arg(
        short = 'w',
        long = "where",
        global = true,
        env = "NETPOLLER_WHERE",
        value_name = "EXPR"
    )]
    pub(crate) filter: Option<Query>,
    /// At most so many rows.
    #[arg(
        short = 'n',
        long,
        global = true,
        env = "NETPOLLER_LIMIT",
        value_name = "N"
    )]
    pub(crate) limit: Option<usize>,
    /// Column to sort by; `:desc` turns the order around.
    #[arg(
        long,
        global = true,
        env = "NETPOLLER_SORT",
        value_name = "COLUMN[:desc]"
    )]
    pub(crate) sort: Option<SortSpec>,
    /// Columns to print, in this order.
    #[arg(
        short,
        long,
        global = true,
        env = "NETPOLLER_COLUMNS",
        value_name = "A,B,…",
        value_delimiter = ','
    )]
    pub(crate) columns: Option<Vec<String>>,
    /// Time between two looks (`tui`, `top`).
    #[arg(long, global = true, env = "NETPOLLER_INTERVAL", value_name = "DUR", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// How long to wait for an answer.
    #[arg(long, global = true, env = "NETPOLLER_TIMEOUT", value_name = "DUR", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    /// When to use colour; `auto` obeys NO_COLOR, CLICOLOR_FORCE and the terminal.
    #[arg(
        long,
        global = true,
        env = "NETPOLLER_COLOR",
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub(crate) color: ColorChoice,
    /// Leave out the line of column titles.
    #[arg(long, global = true, env = "NETPOLLER_NO_HEADER", value_parser = FalseyValueParser::new())]
    pub(crate) no_header: bool,
    /// Draw with ASCII characters only.
    #[arg(long, global = true, env = "NETPOLLER_ASCII", value_parser = FalseyValueParser::new())]
    pub(crate) ascii: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the processes of this user that can be inspected.
    Targets,
    /// List a table of the process.
    Ls {
        /// Which table.
        #[arg(default_value = "descriptors")]
        what: Listing,
    },
    /// Print gauges, transitions, counters, latency histograms and the conservation laws.
    Stats,
    /// Print a table again and again, a blank line between.
    Top {
        /// Which table.
        #[arg(default_value = "descriptors")]
        what: Listing,
        /// Stop after so many looks.
        #[arg(short = 'C', long, value_name = "N")]
        count: Option<u64>,
    },
    /// Look for known faults, with evidence and advice; exit code 3 if there are any.
    Doctor(DoctorArgs),
    /// Open the terminal UI (the default on a terminal).
    Tui,
    /// Run a busy example service in this process and look at it.
    Demo(DemoArgs),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// A table of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    /// One row for each descriptor and sleep.
    #[value(alias = "fds")]
    Descriptors,
    /// One row for each parked direction.
    Waiters,
    /// One row for each poller.
    Pollers,
    /// One row for each direction with a deadline.
    #[value(alias = "timers")]
    Deadlines,
}

/// Shape of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; those that do not fit a terminal are left out.
    Table,
    /// All columns, aligned.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma separated values.
    Csv,
}

/// A column and a direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortSpec {
    pub(crate) column: String,
    pub(crate) descending: bool,
}

impl FromStr for SortSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (column, descending) = match text.split_once(':') {
            None => (text, false),
            Some((column, "asc")) => (column, false),
            Some((column, "desc")) => (column, true),
            Some((_, other)) => {
                return Err(format!("`{other}` is no order; write `asc` or `desc`"));
            }
        };
        if column.is_empty() {
            return Err("the name of the column is missing".into());
        }
        Ok(Self {
            column: column.to_lowercase(),
            descending,
        })
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval < Duration::from_millis(100) {
        return Err("the shortest interval is 100ms".into());
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_sort_names_a_column_and_perhaps_an_order() {
        assert_eq!(
            "Since:desc".parse(),
            Ok(SortSpec {
                column: "since".into(),
                descending: true
            })
        );
        assert_eq!(
            "fd".parse(),
            Ok(SortSpec {
                column: "fd".into(),
                descending: false
            })
        );
        assert!("fd:down".parse::<SortSpec>().is_err());
        assert!(":desc".parse::<SortSpec>().is_err());
    }

    #[test]
    fn every_global_flag_has_an_environment_variable() {
        for argument in Cli::command()
            .get_arguments()
            .filter(|argument| argument.is_global_set())
        {
            let env = argument
                .get_env()
                .map(|name| name.to_string_lossy().into_owned());
            assert!(
                env.is_some_and(|name| name.starts_with("NETPOLLER_")),
                "--{} has no environment variable",
                argument.get_id()
            );
        }
    }
}
