//! `netpoller demo`: a busy service in this process, and the inspector looking at it.
//!
//! `service` is an echo server, `clients` are those that talk to it, each in its manner; both live
//! on one poller, in two threads, so there is something of everything in the tables. `plant` are
//! faults on purpose. `summary` is what is printed at the end.

mod clients;
mod plant;
mod service;
mod stop;
mod summary;
mod tally;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args;
use netpoller::{Poller, inspect, prometheus};
use tokio::signal::unix::{SignalKind, signal};

use crate::clock::Anchor;
use crate::document::{Document, Target as Asked};
use crate::failure::Failure;
use crate::globals::Globals;
use crate::out::Format;
use crate::paint::is_dumb;
use crate::source::{Target, TargetSpec, choose};
use crate::tui;
use crate::verbs::session::{block_on, for_tokio_console};
use crate::verbs::tui::{options, usage};
use crate::verbs::verb::{NO_CSV, Usage, Verb};
use plant::{Fault, Plants};
use stop::Stop;
use summary::Summary;
use tally::Tally;

/// Most clients: each takes two descriptors, and beyond this the loopback address runs out of
/// ports.
const MAX_CONNECTIONS: u64 = 20_000;
/// Descriptors for everything but the connections.
const OTHER_DESCRIPTORS: u64 = 200;

/// What the demo can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Stop after this time; without it the demo runs until it is quit.
    #[arg(long = "for", value_name = "DUR", value_parser = humantime::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Clients that talk to the service.
    #[arg(long, value_name = "N", default_value_t = 256,
          value_parser = clap::value_parser!(u64).range(1..=MAX_CONNECTIONS))]
    pub(crate) connections: u64,
    /// Print a summary instead of opening the terminal UI.
    #[arg(long)]
    pub(crate) headless: bool,
    /// Where the inspection endpoint listens too, besides the usual place for this process.
    #[arg(long, value_name = "unix:PATH|tcp:ADDR")]
    pub(crate) inspect: Option<inspect::Listen>,
    /// Open a control endpoint too, so that `evict` and `break` can be tried. Each call of it is
    /// noted on stderr, so it goes with --headless.
    #[arg(long)]
    pub(crate) control: bool,
    /// Keep a black box there: a recording that outlives the demo, however it ends.
    #[arg(long, value_name = "FILE")]
    pub(crate) black_box: Option<PathBuf>,
    /// Serve Prometheus metrics there; port 0 for any.
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Plant a fault for `netpoller doctor` to find; may be given several times.
    #[arg(long, value_name = "FAULT")]
    pub(crate) plant: Vec<Fault>,
}

impl Verb for DemoArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it runs a service and shows all rows of that, in columns that fit; `netpoller ls` has these flags",
            target: false,
            formats: NO_CSV,
            instead: "the summary has no CSV form; use --format json",
            ..usage("demo")
        }
    }

    /// Starts the service, then opens the terminal UI on its endpoint or, headless, prints a
    /// summary at the end.
    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let args = self;
        let terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
        let headless = args.headless || !terminal || is_dumb();
        let needed = make_room(args.connections)?;
        if args.control && !headless {
            return Err(Failure::Usage(
                "--control notes each call on stderr, where the terminal UI is: add --headless, and look with \
                 `netpoller` in another terminal"
                    .into(),
            ));
        }
        let mut endpoint = listen(args.inspect.as_ref());
        if args.control {
            endpoint = endpoint.control(inspect::Listen::Default);
        }
        let endpoint = endpoint
            .start()
            .map_err(|error| Failure::Runtime(error.to_string()))?;
        let black_box = args
            .black_box
            .as_ref()
            .map(inspect::BlackBox::start)
            .transpose()
            .map_err(|error| Failure::Runtime(error.to_string()))?;
        let metrics = args
            .metrics
            .map(|addr| prometheus::Server::builder(addr).start())
            .transpose()
            .map_err(|error| Failure::Runtime(error.to_string()))?;
        let demo = Demo::start(usize::try_from(args.connections).unwrap_or(usize::MAX))?;

        let plants = Plants::start(&args.plant, needed)?;

        let ended = if headless {
            wait(args.duration, || {
                eprintln!("attach with: netpoller -t {}", endpoint.target());
                eprintln!(
                    "        or: tokio-console {}",
                    for_tokio_console(endpoint.target())
                );
                for control in endpoint.control_targets() {
                    eprintln!("evict with:  netpoller evict ID --control {control}");
                }
                if let Some(black_box) = &black_box {
                    eprintln!(
                        "black box:  netpoller -t file:{}",
                        black_box.path().display()
                    );
                }
                if let Some(metrics) = &metrics {
                    eprintln!("metrics at {}", metrics.url());
                }
            })
        } else {
            let target = target(endpoint.target())?;
            tui::run(
                Some(&target),
                &tui::Options {
                    until: args.duration,
                    ..options(globals)
                },
            )
        };
        drop(plants);
        let summary = demo.finish()?;
        if headless {
            print(&summary, globals, endpoint.target())?;
        } else if ended.is_ok() {
            summary.print_head(&mut io::stdout().lock())?;
        }
        ended?;
        match summary.violations() {
            0 => Ok(()),
            laws => Err(Failure::Runtime(format!(
                "{laws} conservation laws are violated: this is a bug of netpoller"
            ))),
        }
    }
}

/// At the place asked for, and always at the usual one, where `netpoller` without `--target` looks.
fn listen(asked: Option<&inspect::Listen>) -> inspect::Builder {
    let usual = inspect::Listen::Default;
    // Whoever is connected to the demo, it is the demo.
    let builder = inspect::Server::builder().expose_addresses(true);
    match asked {
        Some(place) if *place != usual => builder.listen(place.clone()).listen(usual),
        _ => builder.listen(usual),
    }
}

/// Raises the soft limit of open files to what the demo needs. Returns what that is.
fn make_room(connections: u64) -> Result<u64, Failure> {
    let needed = connections * 2 + OTHER_DESCRIPTORS;
    let limit = rlimit::increase_nofile_limit(needed).map_err(|error| {
        Failure::Runtime(format!(
            "raising the limit of open files to {needed}: {error}"
        ))
    })?;
    if limit < needed {
        return Err(Failure::Usage(no_room(connections, needed, limit)));
    }
    Ok(needed)
}

fn no_room(connections: u64, needed: u64, limit: u64) -> String {
    let fewer = match limit.saturating_sub(OTHER_DESCRIPTORS) / 2 {
        0 => String::new(),
        most => format!(", or use --connections {most}"),
    };
    format!(
        "{connections} connections need {needed} open files, and the limit is {limit}; raise it with `ulimit -n \
         {needed}`{fewer}"
    )
}

fn target(text: &str) -> Result<Target, Failure> {
    match text.parse() {
        Ok(TargetSpec::At(target)) => Ok(target),
        _ => Err(Failure::Runtime(format!(
            "the endpoint listens at {text}, which this inspector does not understand"
        ))),
    }
}

/// Waits for the end of `duration`, or for a signal. `announce` is called once signals are caught,
/// so that whoever reads what it says may send one at once.
fn wait(duration: Option<Duration>, announce: impl FnOnce()) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Runtime(format!("catching signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        announce();
        let over = async {
            match duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => Ok(()),
            _ = terminate.recv() => Err(Failure::Signal(15)),
            _ = hangup.recv() => Err(Failure::Signal(1)),
            _ = interrupt.recv() => Err(Failure::Signal(2)),
        }
    })
}

fn print(summary: &Summary, globals: &Globals, address: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match globals.format {
        Format::Json | Format::Jsonl => {
            // Asked of the endpoint like anybody else would, so that the document says the same of
            // its target as all others.
            let spec = TargetSpec::At(target(address)?);
            let connection = block_on(choose(Some(&spec), globals.timeout))?;
            let now = netpoller::view::now_ns();
            let document = Document {
                schema: "netpoller/v1/demo",
                target: Some(Asked::of(&connection)),
                captured_at: Anchor::of(&connection.server).rfc3339(now),
                captured_at_ns: now,
                complete: true,
                items: vec![summary],
            };
            match globals.format {
                Format::Json => serde_json::to_writer_pretty(&mut out, &document)?,
                _ => serde_json::to_writer(&mut out, &document)?,
            }
            out.write_all(b"\n")?;
        }
        Format::Table | Format::Wide | Format::Csv => summary.print(&mut out)?,
    }
    Ok(())
}

/// The running service and its clients.
struct Demo {
    began: Instant,
    connections: usize,
    tally: Arc<Tally>,
    stop_service: Arc<Stop>,
    stop_clients: Arc<Stop>,
    service: JoinHandle<()>,
    clients: JoinHandle<()>,
}

impl Demo {
    fn start(connections: usize) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::Runtime(format!("starting the demo: {error}"));
        let (stop_service, stop_clients) = (Arc::default(), Arc::default());
        let tally = Arc::default();
        let (addr, service) = service::start(&stop_service).map_err(failed)?;
        let clients = clients::start(addr, connections, &tally, &stop_clients).map_err(failed)?;
        Ok(Self {
            began: Instant::now(),
            connections,
            tally,
            stop_service,
            stop_clients,
            service,
            clients,
        })
    }

    /// Stops everything, and sums up when it has come to rest. A thread that panicked has said so
    /// already; what it left behind is not worth summing up.
    fn finish(self) -> Result<Summary, Failure> {
        let ran = self.began.elapsed();
        self.stop_clients.set();
        let clients = self.clients.join();
        self.stop_service.set();
        let service = self.service.join();
        for (name, ended) in [("demo-clients", clients), ("demo-service", service)] {
            if ended.is_err() {
                return Err(Failure::Runtime(format!(
                    "the thread {name} panicked; see above"
                )));
            }
        }
        Ok(Summary::read(
            Poller::global(),
            &self.tally,
            self.connections,
            ran,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_low_a_limit_is_answered_with_what_would_do() {
        let text = no_room(256, 712, 100);
        assert!(text.ends_with("`ulimit -n 712`"), "{text}");
        let text = no_room(256, 712, 300);
        assert!(
            text.ends_with("`ulimit -n 712`, or use --connections 50"),
            "{text}"
        );
    }

    #[test]
    fn a_thread_that_panicked_is_a_failure() {
        let demo = Demo {
            began: Instant::now(),
            connections: 0,
            tally: Arc::default(),
            stop_service: Arc::default(),
            stop_clients: Arc::default(),
            service: std::thread::spawn(|| panic!("on purpose")),
            clients: std::thread::spawn(|| ()),
        };
        let failure = demo.finish().expect_err("it panicked");
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains("demo-service"), "{failure}");
    }
}
