//! What every verb accepts.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::config::Config;
use crate::out::{self, Format, Style};
use crate::paint::{self, ColorChoice, Palette};
use crate::query::Query;
use crate::source::{Access, At, TargetSpec};
use crate::table::SortSpec;

/// What every verb accepts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Process to look at: unix:PATH, /path, http(s)://host:port, pid:N or NAME; may be left out
    /// when only one has an inspection endpoint. A process without one is read from outside, by
    /// pid:N or NAME. file:PATH is a recording of one.
    #[arg(
        short,
        long,
        global = true,
        env = "NETPOLLER_TARGET",
        value_name = "TARGET"
    )]
    pub(crate) target: Option<TargetSpec>,
    /// Moment at which a recording is looked at: so long after its beginning (1min30s), before its
    /// end (-10s), or a time (2026-11-30T12:00:00Z); by default its end, and the beginning for what
    /// goes on.
    #[arg(
        long,
        global = true,
        env = "NETPOLLER_AT",
        value_name = "MOMENT",
        allow_hyphen_values = true
    )]
    pub(crate) at: Option<At>,
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
    /// Rows that hold, for example 'state=parked and since>5s and peer~^10'; `netpoller fields`
    /// lists fields and operators
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
    /// Maximum number of rows, for example 20 or 1k.
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
    /// Columns to print, in this order; CSV and JSON then have raw values, with the units in their
    /// names.
    #[arg(
        short,
        long,
        global = true,
        env = "NETPOLLER_COLUMNS",
        value_name = "A,B,…",
        value_delimiter = ','
    )]
    pub(crate) columns: Option<Vec<String>>,
    /// Time between two looks (`tui`, `top`, `watch`, `leaks`, `audit --for`), and the time that
    /// `hist` looks at (at most 4s).
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
    /// Colours, by the background of the terminal.
    #[arg(
        long,
        global = true,
        env = "NETPOLLER_THEME",
        value_name = "THEME",
        default_value = "dark"
    )]
    pub(crate) theme: Palette,
    /// Leave out the line of column titles.
    #[arg(long, global = true, env = "NETPOLLER_NO_HEADER", value_parser = FalseyValueParser::new())]
    pub(crate) no_header: bool,
    /// Draw with ASCII characters only.
    #[arg(long, global = true, env = "NETPOLLER_ASCII", value_parser = FalseyValueParser::new())]
    pub(crate) ascii: bool,
    /// Configuration file, in place of $XDG_CONFIG_HOME/netpoller/config.toml; `netpoller config
    /// init` writes one.
    #[arg(long, global = true, env = "NETPOLLER_CONFIG", value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) access: Access,
    /// What that file says.
    #[arg(skip)]
    pub(crate) settings: Config,
    /// Columns for people who name none, in place of the usual ones.
    #[arg(skip)]
    pub(crate) usual: Option<Vec<String>>,
}

impl Globals {
    /// The interval, unless another is asked for.
    pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

    /// How to print, here and now.
    pub(crate) fn style(&self) -> Style {
        let terminal = io::stdout().is_terminal();
        Style {
            format: self.format,
            color: match self.color.enabled(terminal) {
                true => self.theme,
                false => Palette::Mono,
            },
            ascii: self.ascii || paint::wants_ascii(),
            header: !self.no_header,
            room: out::room(terminal),
            columns: self.columns.clone(),
            usual: self.usual.clone(),
            sort: self.sort.clone(),
            limit: self.limit,
        }
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
