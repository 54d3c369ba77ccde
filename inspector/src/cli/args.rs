//! The command line: what every verb is called, what it accepts, and what its help says.

use std::ffi::OsStr;
use std::time::Duration;

use clap::builder::Resettable;
use clap::{Command, CommandFactory, Parser, Subcommand};

use crate::demo::DemoArgs;
use crate::globals::Globals;
use crate::query::Query;
use crate::verbs::control::ControlArgs;
use crate::verbs::doctor::DoctorArgs;
use crate::verbs::events::EventsArgs;
use crate::verbs::listing::Listing;

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

/// An empty variable is no value: so a script takes back what was said before, as in
/// `NETPOLLER_LIMIT= netpoller ls`.
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

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the processes that can be inspected: those of this user, and for root those of
    /// everybody.
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
    /// Tell all about one descriptor: who waits, its last wake and transitions, its latencies, what
    /// the kernel says.
    #[command(
        after_help = "Examples:\n  netpoller describe 42.7\n  netpoller describe shard_1/42.7\n  netpoller describe fd 19\n\nExit code 6: it is closed, or never was."
    )]
    Describe {
        /// Its id as in `ls` (42.7, or POLLER/42.7 with several pollers), or its number as fd:19 or
        /// `fd 19`.
        #[arg(required = true, num_args = 1..=2, value_name = "ID|fd N")]
        id: Vec<String>,
    },
    /// Print quantiles of the latencies, of all time and of the last --interval; bars for one that
    /// is named.
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
        /// End as soon as this holds for a row that is watched; exit with 3 if it does not within
        /// --timeout.
        #[arg(long, value_name = "EXPR")]
        until: Option<Query>,
    },
    /// Print what the flight recorder records: transitions, deadlines, breaks, polls.
    #[command(
        after_help = "Examples:\n  netpoller events --id 42.7 --history\n  netpoller events -k park,ready_parked --direction read\n  netpoller events --dump --format json\n\n--where is asked of each event: its poller, id, dir and thread, and of its descriptor the fields that do not change from\nmoment to moment (kind, fd, local, peer, label, opened, where, task). A descriptor that was closed before it could be\nlooked at, within some 20 ms, has only what its events say."
    )]
    Events(EventsArgs),
    /// Check the conservation laws: what was counted on the way in is what came out, plus what is
    /// inside.
    #[command(
        after_help = "Exit code 3: a law is violated. A law that seems broken is read several times before it is said to be."
    )]
    Audit {
        /// Compare with the kernel's list of registrations too. It holds up registrations for half
        /// a microsecond a descriptor.
        #[arg(long)]
        kernel: bool,
        /// Go on checking for so long, every --interval.
        #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
        duration: Option<Duration>,
    },
    /// Release whoever waits on a descriptor and refuse later operations on it, as if it were
    /// closed.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
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
