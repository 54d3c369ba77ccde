//! The command line: what every verb is called, what it accepts, and what its help says.

use std::ffi::OsStr;

use clap::builder::Resettable;
use clap::{Command, CommandFactory, Parser, Subcommand};

use crate::demo::DemoArgs;
use crate::globals::Globals;
use crate::verbs::audit::AuditArgs;
use crate::verbs::r#break::BreakArgs;
use crate::verbs::completions::CompletionsArgs;
use crate::verbs::describe::DescribeArgs;
use crate::verbs::doctor::DoctorArgs;
use crate::verbs::events::EventsArgs;
use crate::verbs::evict::EvictArgs;
use crate::verbs::fields::FieldsArgs;
use crate::verbs::hist::HistArgs;
use crate::verbs::ls::LsArgs;
use crate::verbs::stats::StatsArgs;
use crate::verbs::targets::TargetsArgs;
use crate::verbs::top::TopArgs;
use crate::verbs::tui::TuiArgs;
use crate::verbs::verb::Verb;
use crate::verbs::watch::WatchArgs;

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
    pub(crate) said: Option<Said>,
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
pub(crate) enum Said {
    /// List the processes that can be inspected: those of this user, and for root those of
    /// everybody.
    #[command(
        after_help = "Looked at are $XDG_RUNTIME_DIR/netpoller, /tmp/netpoller-UID and the XDG_RUNTIME_DIR of every process whose\nenvironment can be read; for root also /run/user/UID and the places of other users and containers.\nNETPOLLER_SOCKETS=DIR[:DIR...] names the directories to look in instead."
    )]
    Targets(TargetsArgs),
    /// List a table of the process.
    Ls(LsArgs),
    /// Print gauges, transitions, counters, latency histograms and the conservation laws.
    Stats(StatsArgs),
    /// Print a table again and again, a blank line between.
    Top(TopArgs),
    /// Tell all about one descriptor: who waits, its last wake and transitions, its latencies, what
    /// the kernel says.
    #[command(
        after_help = "Examples:\n  netpoller describe 42.7\n  netpoller describe shard_1/42.7\n  netpoller describe fd 19\n\nExit code 6: it is closed, or never was."
    )]
    Describe(DescribeArgs),
    /// Print quantiles of the latencies, of all time and of the last --interval; bars for one that
    /// is named.
    #[command(
        after_help = "Examples:\n  netpoller hist\n  netpoller hist wake_latency --interval 4s\n\nA bar stands for a power of two; `last 42.7` is the descriptor of its latest sample: `netpoller describe 42.7`."
    )]
    Hist(HistArgs),
    /// Print a line for each row that comes, changes or goes.
    #[command(
        after_help = "Examples:\n  netpoller watch -w 'kind=tcp && state=parked' --format jsonl\n  netpoller watch waiters --until 'age>5s' --timeout 1min\n\nEach line of jsonl is a row as in `ls --format json`, with \"op\": add, mod or del.\nExit code 3: --until has not come about within --timeout."
    )]
    Watch(WatchArgs),
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
    Audit(AuditArgs),
    /// Release whoever waits on a descriptor and refuse later operations on it, as if it were
    /// closed.
    #[command(
        after_help = "The file descriptor stays open; its owner finds out at his next operation. Only a control endpoint\ndoes this, which a program opens on purpose.\n\nExample:\n  netpoller evict 42.7 --control unix:/run/app/control.sock\n\nExit code 7: asked whether to go on, you said no."
    )]
    Evict(EvictArgs),
    /// Wake the thread that sleeps in epoll_wait, if there is one.
    Break(BreakArgs),
    /// Look for known faults, with evidence and advice; exit code 3 if there are any.
    Doctor(DoctorArgs),
    /// Open the terminal UI (the default on a terminal).
    Tui(TuiArgs),
    /// Run a busy example service in this process and look at it.
    Demo(DemoArgs),
    /// List the fields and operators of filters (`--where`, and `/` in the terminal UI).
    #[command(long_about = crate::query::HELP_TITLE, after_long_help = crate::query::help())]
    Fields(FieldsArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
}

impl Said {
    /// The verb with its arguments.
    pub(crate) fn verb(&self) -> &dyn Verb {
        match self {
            Self::Targets(args) => args,
            Self::Ls(args) => args,
            Self::Stats(args) => args,
            Self::Top(args) => args,
            Self::Describe(args) => args,
            Self::Hist(args) => args,
            Self::Watch(args) => args,
            Self::Events(args) => args,
            Self::Audit(args) => args,
            Self::Evict(args) => args,
            Self::Break(args) => args,
            Self::Doctor(args) => args,
            Self::Tui(args) => args,
            Self::Demo(args) => args,
            Self::Fields(args) => args,
            Self::Completions(args) => args,
        }
    }
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
