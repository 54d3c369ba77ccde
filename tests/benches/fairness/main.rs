//! How late a ticker and an echo are beside a peer that is always ready, as ratios to tokio's own
//! sockets and timers.
//!
//! ```text
//! cargo bench -p netpoller-tests --bench fairness
//! ```
//!
//! A thread writes as fast as it can to a task that reads 64 bytes at a time. Beside it a task
//! ticks every 50 ms, and another one sends a byte back that a thread sends every millisecond.
//! Figures are the worst tick of a run and the 99th percentile and the worst of its round trips,
//! medians of the rounds, in which all executors take turns. Wanted is 1.2 times tokio's at most.
//! The worst round trip scatters between 0.3 and 4 ms for both where fewer processors are there
//! than threads, which are four: it is the kernel's time slice that shows then, and the percentile
//! tells more.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use netpoller::{Poller, block_on_poller};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

const PERIOD: Duration = Duration::from_millis(50);

/// What is measured in a run: its names in the table and in JSON.
const NAMES: [(&str, &str); FIGURES] = [
    ("tick", "tick"),
    ("trip p99", "round_trip_p99"),
    ("trip", "round_trip"),
];
const FIGURES: usize = 3;

/// How late a ticker and an echo are beside a peer that is always ready, as ratios to tokio's
///
/// The worst tick of a run, and the 99th percentile and the worst of its round trips; medians of
/// the rounds, in which all executors take turns.
#[derive(Clone, Debug, Parser)]
#[command(name = "fairness")]
struct Args {
    /// Rounds; every round runs every executor with both kinds of sockets
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Ticks of 50 ms in a run
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    ticks: u32,

    /// How to print the result
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    format: Format,

    /// Cargo gives it to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Where the tasks run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Executor {
    CurrentThread,
    Workers(usize),
    /// An executor inside `block_on`; compared with tokio's current thread.
    Inline,
}

impl Executor {
    const ALL: [(Executor, &str); 4] = [
        (Executor::CurrentThread, "current-thread"),
        (Executor::Workers(1), "1 worker"),
        (Executor::Workers(2), "2 workers"),
        (Executor::Inline, "inline"),
    ];

    fn runtime(self) -> io::Result<Runtime> {
        let mut builder = match self {
            Executor::Workers(_) => Builder::new_multi_thread(),
            _ => Builder::new_current_thread(),
        };
        if let Executor::Workers(workers) = self {
            builder.worker_threads(workers);
        }
        builder.enable_all().build()
    }
}

type Task<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// What runs beside each other.
struct Tasks {
    reader: Task<()>,
    echo: Task<()>,
    ticker: Task<Duration>,
}

fn ours(fast: TcpStream, pinged: TcpStream, ticks: u32) -> Tasks {
    let adopt = |stream| netpoller::net::TcpStream::from_std(stream);
    Tasks {
        reader: Box::pin(async move {
            let fast = adopt(fast)?;
            while fast.read(&mut [0; 64]).await? > 0 {}
            Ok(())
        }),
        echo: Box::pin(async move {
            let (pinged, mut buf) = (adopt(pinged)?, [0]);
            while pinged.read(&mut buf).await? > 0 {
                pinged.write_all(&buf).await?;
            }
            Ok(())
        }),
        ticker: Box::pin(async move {
            let mut interval = netpoller::time::interval(PERIOD);
            let mut worst = Duration::ZERO;
            for _ in 0..ticks {
                let due = interval.tick().await;
                worst = worst.max(due.elapsed());
            }
            Ok(worst)
        }),
    }
}

fn tokios(fast: TcpStream, pinged: TcpStream, ticks: u32) -> Tasks {
    let adopt = |stream: TcpStream| {
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    };
    Tasks {
        reader: Box::pin(async move {
            let mut fast = adopt(fast)?;
            while fast.read(&mut [0; 64]).await? > 0 {}
            Ok(())
        }),
        echo: Box::pin(async move {
            let (mut pinged, mut buf) = (adopt(pinged)?, [0]);
            while pinged.read(&mut buf).await? > 0 {
                pinged.write_all(&buf).await?;
            }
            Ok(())
        }),
        ticker: Box::pin(async move {
            let mut interval = tokio::time::interval_at((Instant::now() + PERIOD).into(), PERIOD);
            let mut worst = Duration::ZERO;
            for _ in 0..ticks {
                let due = interval.tick().await;
                worst = worst.max(due.elapsed());
            }
            Ok(worst)
        }),
    }
}

/// Runs them until the ticker has ended.
fn run(executor: Executor, tasks: Tasks) -> io::Result<Duration> {
    let Tasks {
        reader,
        echo,
        ticker,
    } = tasks;
    if executor == Executor::Inline {
        let executor = async_executor::Executor::new();
        let (reader, echo) = (executor.spawn(reader), executor.spawn(echo));
        let ticker = executor.spawn(ticker);
        let worst = block_on_poller(&Poller::builder().build()?, executor.run(ticker));
        drop((reader, echo));
        return worst;
    }
    let runtime = executor.runtime()?;
    let worst = runtime.block_on(async {
        tokio::spawn(reader);
        tokio::spawn(echo);
        tokio::spawn(ticker).await.map_err(io::Error::other)?
    });
    drop(runtime);
    worst
}

/// A connection: the end that a task has, and that of a thread.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    Ok((server, client))
}

/// The worst tick of a run, and the 99th percentile and the worst of its round trips.
fn measure(
    executor: Executor,
    stack: fn(TcpStream, TcpStream, u32) -> Tasks,
    ticks: u32,
) -> io::Result<[Duration; FIGURES]> {
    let ((fast, mut writer), (pinged, mut pinger)) = (pair()?, pair()?);
    let stop = Arc::new(AtomicBool::new(false));
    let writing = thread::spawn(move || while writer.write_all(&[7; 65_536]).is_ok() {});
    let pinging = thread::spawn({
        let stop = stop.clone();
        move || {
            let mut trips = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                let answered = pinger
                    .write_all(&[7])
                    .and_then(|()| pinger.read_exact(&mut [0]));
                if answered.is_err() || stop.load(Ordering::Relaxed) {
                    break;
                }
                trips.push(began.elapsed());
                thread::sleep(Duration::from_millis(1));
            }
            trips.sort();
            trips
        }
    });
    let tick = run(executor, stack(fast, pinged, ticks));
    stop.store(true, Ordering::Relaxed);
    let panicked = |_| io::Error::other("a peer has panicked");
    let trips = pinging.join().map_err(panicked)?;
    writing.join().map_err(panicked)?;
    let of = |rank: usize| trips.get(rank).copied();
    match (
        of(trips.len() * 99 / 100),
        of(trips.len().saturating_sub(1)),
    ) {
        (Some(p99), Some(worst)) => Ok([tick?, p99, worst]),
        _ => Err(io::Error::other("no round trip has ended")),
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    // Of each executor, of ours and tokio's, in ms.
    let mut figures = vec![[[(); FIGURES]; 2].map(|stack| stack.map(|()| Vec::new())); 4];
    for _ in 0..args.rounds {
        for (figures, (executor, _)) in figures.iter_mut().zip(Executor::ALL) {
            let reference = match executor {
                Executor::Inline => Executor::CurrentThread,
                other => other,
            };
            let measured = [
                measure(executor, ours, args.ticks)?,
                measure(reference, tokios, args.ticks)?,
            ];
            for (figures, measured) in figures.iter_mut().zip(measured) {
                for (figures, measured) in figures.iter_mut().zip(measured) {
                    figures.push(measured.as_secs_f64() * 1e3);
                }
            }
        }
    }
    let mut out = io::stdout().lock();
    let mut items = Vec::new();
    if args.format == Format::Table {
        write!(out, "{:<16}", "worst, ms")?;
        for (name, _) in NAMES {
            write!(out, "{name:>10}{:>8}{:>7}", "tokio", "ratio")?;
        }
        writeln!(out)?;
    }
    for (figures, (_, name)) in figures.into_iter().zip(Executor::ALL) {
        let [ours, tokios] = figures.map(|stack| stack.map(median));
        let mut item = serde_json::Map::from_iter([("executor".to_owned(), json!(name))]);
        if args.format == Format::Table {
            write!(out, "{name:<16}")?;
        }
        for ((ours, tokio), (_, name)) in ours.into_iter().zip(tokios).zip(NAMES) {
            let ratio = ours / tokio;
            if args.format == Format::Table {
                write!(out, "{ours:>10.2}{tokio:>8.2}{ratio:>7.2}")?;
            }
            item.extend([
                (format!("{name}_ms"), json!(ours)),
                (format!("tokio_{name}_ms"), json!(tokio)),
                (format!("{name}_ratio"), json!(ratio)),
            ]);
        }
        if args.format == Format::Table {
            writeln!(out)?;
        }
        items.push(item);
    }
    if args.format == Format::Json {
        writeln!(
            out,
            "{}",
            json!({ "bench": "fairness", "rounds": args.rounds, "ticks": args.ticks, "items": items })
        )?;
    }
    Ok(())
}
