//! A running server, and those who watch it.

use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{self, Command, Stdio};

use netpoller_tests::program::Killed;

use super::cases::Setup;
use super::error::Context;
use super::sys::CpuClock;
use super::variants::{Variant, Variants};

/// Killed when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) clock: CpuClock,
    // In this order: nobody complains of an endpoint that is gone.
    _subscribers: Option<Killed>,
    _process: Killed,
    /// Of the endpoint's socket.
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts it, waits until it listens, and until everybody watches who should.
    pub(crate) fn start(
        setup: &Setup,
        idle: u32,
        core: usize,
        variants: &Variants,
    ) -> io::Result<Server> {
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("endpoint");
        let mut command = variants.command(setup.variant, "echo")?;
        command
            .args(["--serve", setup.server, "--idle", &idle.to_string()])
            .args(["--threads", &setup.threads.to_string()])
            .args(["--core", &core.to_string()])
            .args(["--parent", &process::id().to_string()]);
        if setup.subscribers > 0 {
            command.arg("--inspect").arg(&socket);
        }
        let (process, port) =
            announced(command, "port ").context(|| format!("starting server {}", setup.server))?;
        let port = port.parse().map_err(io::Error::other)?;
        let subscribers = if setup.subscribers > 0 {
            let mut command = variants.command(Variant::On, "overhead")?;
            command
                .arg("--subscribe")
                .arg(&socket)
                .args(["--count", &setup.subscribers.to_string()]);
            if setup.stalled {
                command.arg("--stalled");
            }
            let (process, _) =
                announced(command, "watching").context(|| "starting the subscribers".to_owned())?;
            Some(process)
        } else {
            None
        };
        Ok(Server {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            clock: CpuClock::of(process.0.id())?,
            _subscribers: subscribers,
            _process: process,
            _directory: directory,
        })
    }
}

/// Starts `command` and waits for the line that begins with `announcement`; returns the rest of
/// that line.
fn announced(mut command: Command, announcement: &str) -> io::Result<(Killed, String)> {
    let mut process = Killed(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let stdout = process.0.stdout.take();
    for line in stdout
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufRead::lines)
    {
        if let Some(rest) = line?.strip_prefix(announcement) {
            return Ok((process, rest.to_owned()));
        }
    }
    Err(io::Error::other("it ended before it was ready"))
}
