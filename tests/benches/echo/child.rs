//! A server in a process of its own: both sides of starting it.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::thread;
use std::time::Duration;

use netpoller::inspect;

use super::args::Args;
use super::error::Context;
use super::servers::{Kind, Options, find};
use super::sys::{self, CpuClock};

/// Makes the command that runs this program with these arguments.
pub(crate) type Launch = fn(&[String]) -> io::Result<Command>;

/// What precedes the port on the server's standard output.
const HANDSHAKE: &str = "port ";

/// Far enough that no read ever meets it: what is measured is setting it.
const READ_DEADLINE: Duration = Duration::from_secs(30);

/// A running server; dropping it kills it.
pub(crate) struct Child {
    /// What it runs.
    pub(crate) kind: &'static Kind,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its CPU time.
    pub(crate) clock: CpuClock,
    process: process::Child,
}

impl Child {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(
        kind: &'static Kind,
        core: usize,
        args: &Args,
        launch: Launch,
    ) -> io::Result<Child> {
        Child::spawn(kind, core, args, launch).context(|| format!("starting server {}", kind.name))
    }

    fn spawn(kind: &'static Kind, core: usize, args: &Args, launch: Launch) -> io::Result<Child> {
        let mut arguments: Vec<String> = [
            "--serve",
            kind.name,
            "--core",
            &core.to_string(),
            "--parent",
            &process::id().to_string(),
        ]
        .map(str::to_owned)
        .to_vec();
        if args.read_deadline {
            arguments.push("--read-deadline".to_owned());
        }
        let mut process = launch(&arguments)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let port = match process
            .stdout
            .take()
            .map(|stdout| read_port(BufReader::new(stdout)))
        {
            Some(Ok(port)) => port,
            failure => {
                let _ = process.kill();
                let status = process.wait()?;
                let reason = match failure {
                    Some(Err(error)) => error.to_string(),
                    _ => "no standard output".to_owned(),
                };
                return Err(io::Error::other(format!("{reason} ({status})")));
            }
        };
        let clock = CpuClock::of(process.id())?;
        Ok(Child {
            kind,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            clock,
            process,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn read_port(lines: impl BufRead) -> io::Result<u16> {
    for line in lines.lines() {
        if let Some(port) = line?.strip_prefix(HANDSHAKE) {
            return port.parse().map_err(io::Error::other);
        }
    }
    Err(io::Error::other("it ended before it listened"))
}

/// Is the server: prints the port, then serves until killed.
pub(crate) fn serve(name: &str, args: &Args) -> io::Result<Infallible> {
    sys::die_with_parent()?;
    if args.parent.is_some_and(|parent| parent != parent_id()) {
        return Err(io::Error::other(
            "the process that started this server is gone",
        ));
    }
    if let Some(core) = args.core {
        sys::pin_to(core).context(|| format!("moving the server to core {core}"))?;
    }
    let kind = find(name).ok_or_else(|| io::Error::other(format!("no server is called {name}")))?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(|| "listening".to_owned())?;
    listener.set_nonblocking(true)?;
    for _ in 0..args.threads {
        thread::spawn(|| {
            loop {
                thread::park();
            }
        });
    }
    let endpoint = match &args.inspect {
        Some(path) => Some(inspect(path)?),
        None => None,
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{HANDSHAKE}{}", listener.local_addr()?.port())?;
    out.flush()?;
    drop(out);
    let options = Options {
        read_deadline: args.read_deadline.then_some(READ_DEADLINE),
        idle: args.idle,
    };
    let served = (kind.serve)(listener, &options).context(|| format!("serving as {name}"));
    drop(endpoint);
    served
}

fn inspect(path: &Path) -> io::Result<inspect::Server> {
    inspect::Server::builder()
        .listen(inspect::Listen::Unix(path.to_owned()))
        .start()
        .map_err(io::Error::other)
}
