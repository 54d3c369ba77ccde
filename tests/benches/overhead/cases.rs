//! What is compared with what.

use clap::ValueEnum;

use super::args::Args;
use super::variants::Variant;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// With instrumentation against without
    Instrumentation,
    /// Watched by inspectors against without instrumentation
    Subscribers,
    /// tokio with console-subscriber against tokio
    Console,
    /// What one transition costs
    Transition,
    /// The data path's latency with a subscriber that reads nothing against without one
    Isolation,
}

/// A server and who watches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) variant: Variant,
    /// A server of the bench `echo`.
    pub(crate) server: &'static str,
    /// Threads of the server that do nothing.
    pub(crate) threads: u32,
    /// Subscribers of the stream of the table and its statistics, each once a second.
    pub(crate) subscribers: u32,
    /// They read nothing of it.
    pub(crate) stalled: bool,
}

/// A pair.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) group: Group,
    pub(crate) title: String,
    pub(crate) connections: u32,
    /// Descriptors that wait for what never comes, besides.
    pub(crate) idle: u32,
    pub(crate) measured: Setup,
    pub(crate) baseline: Setup,
    /// What the design asks for, where it does.
    pub(crate) target: Option<f64>,
}

impl Case {
    pub(crate) fn descriptors(&self) -> u32 {
        self.connections + self.idle
    }
}

const fn setup(variant: Variant, server: &'static str) -> Setup {
    Setup {
        variant,
        server,
        threads: 0,
        subscribers: 0,
        stalled: false,
    }
}

/// Connections that work, and descriptors that wait besides: 64 and 10 000 in all.
const SCALES: [(u32, u32); 2] = [(64, 0), (1000, 9000)];

/// The pairs that `args` asks for.
pub(crate) fn chosen(args: &Args) -> Vec<Case> {
    all()
        .into_iter()
        .filter(|case| args.cases.is_empty() || args.cases.contains(&case.group))
        .collect()
}

fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (connections, idle) in SCALES {
        let mut case = |group, title: String, measured, baseline, target| {
            cases.push(Case {
                group,
                title,
                connections,
                idle,
                measured,
                baseline,
                target,
            });
        };
        for server in ["netpoller-inline", "netpoller-tokio"] {
            let (on, off) = (setup(Variant::On, server), setup(Variant::Off, server));
            let title = format!("{server}: on ÷ off");
            case(Group::Instrumentation, title, on, off, Some(1.03));
        }
        let server = "netpoller-inline";
        let alone = setup(Variant::Off, server);
        // The endpoint has a thread, and the kernel counts references to files only in processes
        // that have several.
        case(
            Group::Subscribers,
            format!("{server}: off, and an idle thread ÷ off"),
            Setup {
                threads: 1,
                ..alone
            },
            alone,
            None,
        );
        for subscribers in [1, 8] {
            let watched = Setup {
                subscribers,
                ..setup(Variant::On, server)
            };
            let title = format!("{server}: on, {subscribers} watching ÷ off");
            let target = (subscribers == 1).then_some(1.05);
            case(Group::Subscribers, title, watched, alone, target);
        }
        case(
            Group::Console,
            "tokio with console-subscriber ÷ tokio".to_owned(),
            setup(Variant::Console, "tokio-console"),
            setup(Variant::On, "tokio"),
            None,
        );
    }
    cases
}
