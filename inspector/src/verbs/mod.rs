//! The verbs: one file per verb, which owns its arguments; their table; and what they share.
//!
//! | file | holds |
//! |---|---|
//! | `ls`, `evict`, `break` and so on | the verb of that name |
//! | `demo` | the service to look at, with its clients and what is planted there |
//! | `verb` | what a verb is: what it does, and which of the common flags mean something to it |
//! | `session` | finding a process, asking it, and printing |
//! | `listing` | the tables that `ls`, `top` and `watch` take |
//! | `admission` | which events pass a filter |
//! | `control` | where `evict` and `break` act |
//! | `writing` | what `record` and `trace` write to a file |

mod admission;
mod audit;
mod r#break;
pub(crate) mod completions;
mod config;
mod control;
mod demo;
mod describe;
mod diff;
mod doctor;
mod events;
mod evict;
mod fields;
mod hist;
mod leaks;
pub(crate) mod listing;
pub(crate) mod ls;
mod man;
mod record;
mod replay;
pub(crate) mod session;
mod stats;
mod targets;
mod top;
mod trace;
pub(crate) mod tui;
pub(crate) mod verb;
mod watch;
mod writing;

use clap::Subcommand;

pub(crate) use session::{block_on, check_pollers, connection, print, restarted};
use verb::Verb;

/// Makes the subcommands of the command line. A row is the doc, which is the help, and the
/// arguments of the verb.
macro_rules! verbs {
    ($($(#[$help:meta])+ $name:ident($args:ty),)+) => {
        /// A verb with its arguments.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Commands {
            $($(#[$help])+ $name($args),)+
        }

        impl Commands {
            /// Returns what does it.
            pub(crate) fn verb(&self) -> &dyn Verb {
                match self {
                    $(Self::$name(args) => args,)+
                }
            }
        }
    };
}

verbs! {
    /// List the processes that can be inspected: those of this user, and for root those of
    /// all users.
    #[command(
        after_help = "Looked at are $XDG_RUNTIME_DIR/netpoller, /tmp/netpoller-UID and the XDG_RUNTIME_DIR of every process whose environment can be read; for root also /run/user/UID and the places of other users and containers. NETPOLLER_SOCKETS=DIR[:DIR...] names the directories to look in instead."
    )]
    Targets(targets::TargetsArgs),
    /// List a table of the process.
    Ls(ls::LsArgs),
    /// Print gauges, transitions, counters, latency histograms and the conservation laws.
    Stats(stats::StatsArgs),
    /// Print a table again and again, a blank line between.
    Top(top::TopArgs),
    /// Show everything about a descriptor: who waits, its last wake and transitions, its latencies,
    /// what the kernel says.
    #[command(
        after_help = "Examples:\n  netpoller describe 42.7\n  netpoller describe shard_1/42.7\n  netpoller describe fd 19\n  netpoller describe 42.7 43.2 fd:19\n\nExit code 6: one is closed, or never was; the others are told."
    )]
    Describe(describe::DescribeArgs),
    /// Print quantiles of the latencies, of all time and of the last --interval; bars for one that
    /// is named.
    #[command(
        after_help = "Examples:\n  netpoller hist\n  netpoller hist wake_latency --interval 4s\n\nA bar stands for a power of two; `last 42.7` is the descriptor of its latest sample: `netpoller describe 42.7`."
    )]
    Hist(hist::HistArgs),
    /// Show which lines of code open descriptors and do not close them, and who is at the other
    /// end.
    #[command(
        after_help = "Examples:\n  netpoller leaks                              what has grown within a second\n  netpoller leaks --watch --interval 1min      what grows while you wait, and goes on growing\n  netpoller leaks -f csv --interval 10s        a record for each line, peer and state\n  netpoller ls -w 'site~upstream.rs:41' --sort opened     the descriptors of one line, the oldest first\n\nThe lines come in the order in which they grow, then by what they have open:\n  OPENED, CLOSED  within the interval; with --watch since it began\n  GROWN           opened less closed. A leak grows and stays; a pool grows and rests; churn has both and no growth\n  LIVE            open now. WAITED of them somebody waits on; QUEUED bytes lie in the kernel, unread or not taken\n  AGE P50 …       half of them are this old at most; OLDEST is the oldest, `-f wide` has its id for `describe`\n\nPEER has no port where the peer has connected to us, for it is another each time. STATE is that of TCP; of what is no TCP socket, what it is. Below a line stand its parts, the five that grow most; `-f wide` has all.\n\nSleeps are no descriptors. Counted are the first 256 lines of each poller by themselves, all others together."
    )]
    Leaks(leaks::LeaksArgs),
    /// Print a line for each row that comes, changes or goes.
    #[command(
        after_help = "Examples:\n  netpoller watch -w 'kind=tcp && state=parked' --format jsonl\n  netpoller watch waiters --until 'age>5s' --timeout 1min\n\nEach line of jsonl is a row as in `ls --format json`, with \"op\": add, mod or del. A row that comes and goes within --interval is in no line: `netpoller events --kind opened,closed` tells of each. Exit code 3: --until has not come about within --timeout."
    )]
    Watch(watch::WatchArgs),
    /// Print what the flight recorder records: transitions, deadlines, breaks, polls.
    #[command(
        after_help = "Examples:\n  netpoller events --id 42.7 --history\n  netpoller events -k park,ready_parked --direction read\n  netpoller events --dump --format json\n\n--where is asked of each event: its poller, id, dir and thread, and of its descriptor the fields that do not change from moment to moment (kind, fd, local, peer, label, opened, where, task). A descriptor that was closed before it could be looked at, within some 20 ms, has only what its events say."
    )]
    Events(events::EventsArgs),
    /// Check the conservation laws: what was counted on the way in is what came out, plus what is
    /// inside.
    #[command(
        after_help = "Exit code 3: a law is violated. A law that seems broken is read several times before it is said to be."
    )]
    Audit(audit::AuditArgs),
    /// Release whoever waits on a descriptor and refuse later operations on it, as if it were
    /// closed.
    #[command(
        after_help = "The file descriptor stays open; its owner finds out at its next operation. Only a control endpoint does this, which a program opens on purpose.\n\nExample:\n  netpoller evict 42.7 --control unix:/run/app/control.sock\n\nExit code 7: asked whether to go on, you said no."
    )]
    Evict(evict::EvictArgs),
    /// Wake the thread that sleeps in epoll_wait, if there is one.
    Break(r#break::BreakArgs),
    /// Look for known faults, with evidence and advice; exit code 3 if there are any.
    Doctor(doctor::DoctorArgs),
    /// Compare two moments: what was opened, closed, found, counted and slower than before.
    #[command(
        after_help = "Examples:\n  netpoller diff                                   the process now, and --interval later\n  netpoller diff --interval 1min -w 'peer~^10.0.'  the same of some descriptors\n  netpoller -t file:incident.npl diff              the beginning of a recording and its end\n  netpoller -t file:incident.npl diff @30s @-10s   two moments of it\n  netpoller diff file:good.npl file:bad.npl        two recordings, or a recording and a process\n  netpoller diff unix:/run/a.sock unix:/run/b.sock two processes\n\nOf one process are told: findings, descriptors that were opened, closed or are in another state, how many wait and are open at each line, what was counted, and the latencies of the time between beside those before it. Of two: findings by line, lines, how often is counted on average, and the latencies of all time.\n\nExit code 3: something is found that was not found before. Where one side has more findings than it tells, which of them are new is not known: that is noted, and the code is 0."
    )]
    Diff(diff::DiffArgs),
    /// Write what a process tells to a file, to be looked at later with `--target file:FILE`.
    #[command(
        after_help = "Examples:\n  netpoller record -o incident.npl --for 5min\n  netpoller -t pid:4242 record -o incident.npl --max-size 200MiB\n  netpoller -t file:incident.npl doctor\n  netpoller -t file:incident.npl ls waiters --at -30s\n  netpoller -t file:incident.npl events -w 'peer~10.0.0.7'\n\nRecorded are the table with what the kernel knows of the sockets and the statistics, each --interval; the events of the flight recorder; and each 10 s a diagnosis and the lines that open descriptors. Ctrl-C ends it. What has been written is whole at each moment: a recorder that is killed loses the last two seconds."
    )]
    Record(record::RecordArgs),
    /// Tell a recording to any client, as it went on, tokio-console among them.
    #[command(
        after_help = "Examples:\n  netpoller -t file:incident.npl replay --serve ./replay.sock\n  netpoller -t file:incident.npl replay --serve ./replay.sock --at -30s --speed 0.1\n  netpoller -t unix:./replay.sock                          the terminal UI, as if it happened now\n  netpoller -t unix:./replay.sock watch waiters\n  tokio-console file://localhost$PWD/replay.sock           the stock one\n\nAll who ask are told of the same moment, which goes on as time does. At its end it stays there. What the recording does not hold, tokio-console is not told either: the number of the eventfd, and who waited last where nobody was ever seen waiting. Verbs need no replay to read a recording: `netpoller -t file:incident.npl ls`."
    )]
    Replay(replay::ReplayArgs),
    /// Write the events as a Perfetto trace: who waited where, what woke it and when it ran, on a
    /// time line.
    #[command(
        after_help = "Examples:\n  netpoller trace -o x.pftrace --for 10s              what the recorder still holds, and ten seconds more\n  netpoller trace -o x.pftrace -w 'peer~10.0.0.7'     until Ctrl-C, of some descriptors\n  netpoller -t file:incident.npl trace -o x.pftrace   all of a recording\n  netpoller -t file:incident.npl trace -o x.pftrace --at -30s --for 5s   five seconds of it\n\nTracks: below the process each poller, with a track for each name of a thread (polls, what the kernel told, deadlines that fired, breaks, who ran; threads of one name share it) and for each descriptor (its line, and its directions with a slice for each wait, from where the waiter was parked to where it ran, and in that one from the wake on). Sleeps are drawn together, with them what may be one and was never told to be anything else. Arrows go from what the kernel told, or the deadline that fired, to the wake, and on to where the waiter ran.\n\nNothing is guessed. Events do not say who waits: that is of the table, asked meanwhile; `waiter_seen` says whether it was seen in this wait or in another one there. `events_lost` marks where the recorder was overwritten before it was read: a wait across that bears `events_lost_meanwhile`, an end that was not told the outcome `not told`. Each thread has a ring of its own, and a busy one reaches back less far than one that does little, so the beginning of what was recorded before is incomplete. Time is CLOCK_MONOTONIC; `happened_at_ns` is on what could not be told in its place.\n\nIn SQL of Perfetto: select name, dur, extract_arg(arg_set_id, 'debug.location') from slice where category = 'wait'"
    )]
    Trace(trace::TraceArgs),
    /// Open the terminal UI (the default on a terminal).
    Tui(tui::TuiArgs),
    /// Run a busy example service in this process and look at it.
    Demo(demo::DemoArgs),
    /// List the fields and operators of filters (`--where`, and `/` in the terminal UI).
    #[command(long_about = crate::query::HELP_TITLE, after_long_help = crate::query::help())]
    Fields(fields::FieldsArgs),
    /// Write, find and show the configuration file.
    #[command(
        after_help = "A flag beats its environment variable, and that beats the file. A setting is called as the flag:\n\n  interval = \"2s\"\n  theme = \"light\"\n  [targets]\n  staging = { target = \"https://staging.example:6670\", tls-ca = \"/etc/netpoller/ca.pem\" }\n  [views.descriptors]\n  columns = [\"id\", \"peer\", \"since\", \"where\"]\n  sort = \"since:desc\"\n  [keys]\n  freeze = [\"f\", \"space\"]\n\nExit code 2: the file says what cannot be; each line that is wrong is told."
    )]
    Config(config::ConfigArgs),
    /// Print the completions of a shell: of verbs and flags, and of targets, columns, fields, lints
    /// and ids.
    #[command(
        after_help = "Examples:\n  source <(netpoller completions bash)                        # in ~/.bashrc\n  source <(netpoller completions zsh)                         # in ~/.zshrc, behind compinit\n  netpoller completions fish > ~/.config/fish/completions/netpoller.fish\n\nThe script asks the command itself, so that it knows the processes and descriptors of the moment."
    )]
    Completions(completions::CompletionsArgs),
    /// Print a manual page, or write all of them to a folder.
    #[command(
        after_help = "Examples:\n  netpoller man describe | man -l -\n  netpoller man --dir ~/.local/share/man/man1"
    )]
    Man(man::ManArgs),
}
