//! The command line, in one file.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{FalseyValueParser, PossibleValuesParser, Resettable, TypedValueParser};
use clap::{Args, Command, CommandFactory, Parser, Subcommand, ValueEnum};

use netpoller_proto::v1::{EventKind, Mode};

use crate::client::{Access, Target, TargetSpec};
use crate::cmd::DoctorArgs;
use crate::demo::DemoArgs;
use crate::paint::ColorChoice;
use crate::query::{Query, Scope};

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
                        6 not found, 7 declined when asked, 124 timeout, 128+n ended by signal n."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

impl Cli {
    /// The command line, as far as the environment has a say in it.
    pub(crate) fn in_environment() -> Command {
        without_empty_variables(Self::command())
    }
}

/// An empty variable is no value: so a script takes back what was said before, as in `NETPOLLER_LIMIT= netpoller ls`.
fn without_empty_variables(command: Command) -> Command {
    let is_empty = |name: &OsStr| {
        std::env::var_os(name).is_some_and(|it| it.as_encoded_bytes().trim_ascii().is_empty())
    };
    command
        .mut_args(|argument| match argument.get_env().is_some_and(is_empty) {
            true => argument.env(Resettable::Reset),
            false => argument,
        })
        .mut_subcommands(without_empty_variables)
}

/// What every verb accepts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Process to look at: unix:PATH, /path, http(s)://host:port, pid:N or NAME; may be left out when there is only one.
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
    /// Rows that hold, for example 'state=parked && since>5s && peer~^10'; `netpoller fields` lists fields and operators.
    #[arg(
        short = 'w',
        long = "where",
        global = true,
        env = "NETPOLLER_WHERE",
        value_name = "EXPR"
    )]
    pub(crate) filter_text: Option<String>,
    /// The same, read and found to mean something to the verb.
    #[arg(skip)]
    pub(crate) filter: Option<Query>,
    /// At most so many rows, as 20 or 1k.
    #[arg(
        short = 'n',
        long,
        global = true,
        env = "NETPOLLER_LIMIT",
        value_name = "N",
        value_parser = limit
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
    /// Columns to print, in this order; CSV and JSON then have raw values, with the units in their names.
    #[arg(
        short,
        long,
        global = true,
        env = "NETPOLLER_COLUMNS",
        value_name = "A,B,…",
        value_delimiter = ','
    )]
    pub(crate) columns: Option<Vec<String>>,
    /// Time between two looks (`tui`, `top`, `watch`, `audit --for`), and that `hist` looks at (at most 4s).
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
    #[command(flatten)]
    pub(crate) access: Access,
}

impl Globals {
    /// The interval, unless another is asked for.
    pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the processes that can be inspected: those of this user, and for root those of everybody.
    #[command(
        after_help = "Looked at are $XDG_RUNTIME_DIR/netpoller, /tmp/netpoller-UID and the XDG_RUNTIME_DIR of every process whose\nenvironment can be read; for root also /run/user/UID and the places of other users and containers.\nNETPOLLER_SOCKETS=DIR[:DIR...] names the directories to look in instead."
    )]
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
    /// Tell all about one descriptor: who waits, its last wake and transitions, its latencies, what the kernel says.
    #[command(
        after_help = "Examples:\n  netpoller describe 42.7\n  netpoller describe shard_1/42.7\n  netpoller describe fd 19\n\nExit code 6: it is closed, or never was."
    )]
    Describe {
        /// Its id as in `ls` (42.7, or POLLER/42.7 with several pollers), or its number as fd:19 or `fd 19`.
        #[arg(required = true, num_args = 1..=2, value_name = "ID|fd N")]
        id: Vec<String>,
    },
    /// Print quantiles of the latencies, of all time and of the last --interval; bars for one that is named.
    #[command(
        after_help = "Examples:\n  netpoller hist\n  netpoller hist wake_latency --interval 4s\n\nA bar stands for a power of two; `last 42.7` is the descriptor of its latest sample: `netpoller describe 42.7`."
    )]
    Hist {
        /// Beginning of the name of a histogram, for example wake_latency.
        name: Option<String>,
    },
    /// Print a line for each row that comes, changes or goes.
    #[command(
        after_help = "Examples:\n  netpoller watch -w 'kind=tcp && state=parked' --format jsonl\n  netpoller watch waiters --until 'age>5s' --timeout 1min\n\nEach line of jsonl is a row as in `ls --format json`, with \"op\": add, mod or del.\nExit code 3: --until has not come about within --timeout."
    )]
    Watch {
        /// Which table.
        #[arg(default_value = "descriptors")]
        what: Listing,
        /// End as soon as this holds for a row that is watched; exit with 3 if it does not within --timeout.
        #[arg(long, value_name = "EXPR")]
        until: Option<Query>,
    },
    /// Print what the flight recorder records: transitions, deadlines, breaks, polls.
    #[command(
        after_help = "Examples:\n  netpoller events --id 42.7 --history\n  netpoller events -k park,ready_parked --direction read\n  netpoller events --dump --format json\n\n--where is asked of each event: its poller, id, dir and thread, and of its descriptor the fields that do not change from\nmoment to moment (kind, fd, local, peer, label, opened, where, task). A descriptor that was closed before it could be\nlooked at, within some 20 ms, has only what its events say."
    )]
    Events(EventsArgs),
    /// Check the conservation laws: what was counted on the way in is what came out, plus what is inside.
    #[command(
        after_help = "Exit code 3: a law is violated. A law that seems broken is read several times before it is said to be."
    )]
    Audit {
        /// Compare with the kernel's list of registrations too. It holds up registrations for half a microsecond a descriptor.
        #[arg(long)]
        kernel: bool,
        /// Go on checking for so long, every --interval.
        #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
        duration: Option<Duration>,
    },
    /// Release whoever waits on a descriptor and refuse later operations on it, as if it were closed.
    #[command(
        after_help = "The file descriptor stays open; its owner finds out at his next operation. Only a control endpoint\ndoes this, which a program opens on purpose.\n\nExample:\n  netpoller evict 42.7 --control unix:/run/app/control.sock\n\nExit code 7: asked whether to go on, you said no."
    )]
    Evict {
        /// Its id as in `ls`, or its number as fd:19 or `fd 19`.
        #[arg(required = true, num_args = 1..=2, value_name = "ID|fd N")]
        id: Vec<String>,
        #[command(flatten)]
        control: ControlArgs,
        /// Do not ask first.
        #[arg(short, long)]
        yes: bool,
    },
    /// Wake the thread that sleeps in epoll_wait, if there is one.
    Break {
        /// Name of the poller; may be left out when there is only one.
        poller: Option<String>,
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Look for known faults, with evidence and advice; exit code 3 if there are any.
    Doctor(DoctorArgs),
    /// Open the terminal UI (the default on a terminal).
    Tui,
    /// Run a busy example service in this process and look at it.
    Demo(DemoArgs),
    /// List the fields and operators of filters (`--where`, and `/` in the terminal UI).
    #[command(long_about = crate::query::HELP_TITLE, after_long_help = crate::query::help())]
    Fields,
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What to hear of.
#[derive(Debug, Clone, Args)]
pub(crate) struct EventsArgs {
    /// Only this descriptor: 42.7, POLLER/42.7 or fd:19.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only these kinds, for example park,ready_parked.
    #[arg(short, long, value_name = "KIND,…", value_delimiter = ',', value_parser = kinds())]
    pub(crate) kind: Vec<EventKind>,
    /// Only this direction.
    #[arg(long, value_name = "DIRECTION")]
    pub(crate) direction: Option<Direction>,
    /// Begin with what the recorder still holds.
    #[arg(long)]
    pub(crate) history: bool,
    /// Print what the recorder still holds, and end.
    #[arg(long, conflicts_with = "follow")]
    pub(crate) dump: bool,
    /// Go on until interrupted; this is the default.
    #[arg(long)]
    pub(crate) follow: bool,
}

/// A direction of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// Reading.
    Read,
    /// Writing.
    Write,
}

impl From<Direction> for Mode {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Read => Self::Read,
            Direction::Write => Self::Write,
        }
    }
}

/// The kinds of events, all of which the shell can complete.
fn kinds() -> impl TypedValueParser<Value = EventKind> {
    PossibleValuesParser::new(EventKind::ALL.map(EventKind::name))
        .try_map(|name| name.parse::<EventKind>())
}

/// Where to act.
#[derive(Debug, Clone, Args)]
pub(crate) struct ControlArgs {
    /// The control endpoint: unix:PATH, /path or http(s)://host:port.
    #[arg(long, env = "NETPOLLER_CONTROL", value_name = "TARGET", value_parser = control)]
    pub(crate) control: Target,
    /// File with the token that it asks for over TCP, which is never that of the inspection endpoint.
    #[arg(long, env = "NETPOLLER_CONTROL_TOKEN_FILE", value_name = "PATH")]
    pub(crate) control_token_file: Option<PathBuf>,
}

impl ControlArgs {
    /// The control endpoint, and what is shown to it: its own token, and the certificates that are shown everywhere.
    pub(crate) fn target(&self, access: &Access) -> Target {
        let access = Access {
            token_file: self.control_token_file.clone(),
            acts: true,
            ..access.clone()
        };
        self.control.clone().with_access(&access)
    }
}

fn control(text: &str) -> Result<Target, String> {
    match text.parse()? {
        TargetSpec::At(target) => Ok(target),
        TargetSpec::Pid(_) | TargetSpec::Name(_) => Err("a process shows at its usual place and acts nowhere unless told to; write the address of its control endpoint".into()),
    }
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

impl Listing {
    /// What a filter of its rows can be about.
    pub(crate) const fn scope(self) -> Option<Scope> {
        match self {
            Self::Descriptors => Some(Scope::Descriptors),
            Self::Waiters | Self::Deadlines => Some(Scope::Directions),
            Self::Pollers => None,
        }
    }
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

fn limit(text: &str) -> Result<usize, String> {
    crate::query::number(text)
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| format!("`{text}` is no number of rows"))
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
