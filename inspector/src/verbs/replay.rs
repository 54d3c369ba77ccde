//! `netpoller replay`: tells a recording to any client, as it went on.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use netpoller::inspect::{Listen, Server};
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Failure, note};
use crate::globals::Globals;
use crate::source::{Replay, Target, TargetSpec};
use crate::text;
use crate::verbs::session::for_tokio_console;
use crate::verbs::verb::{NONE, Usage, Verb};

/// Where, and how fast.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Unix socket to answer at: unix:PATH, or /path. This user and root may connect, with
    /// tokio-console too.
    #[arg(long, value_name = "SOCKET")]
    serve: Socket,
    /// So many times as fast as it went on; 0 stays at one moment.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = speed)]
    speed: f64,
}

/// A Unix socket. Over TCP others on this machine could read the addresses in the recording.
#[derive(Debug, Clone)]
struct Socket(Listen);

impl FromStr for Socket {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let listen = match text.starts_with(['/', '.']) {
            true => Some(Listen::Unix(text.into())),
            false => text.parse().ok(),
        };
        let advice = "write a Unix socket, as unix:/run/replay.sock or ./replay.sock";
        match listen {
            Some(Listen::Unix(path)) => Ok(Self(Listen::Unix(path))),
            _ => Err(advice.to_owned()),
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok();
    let speed = speed.filter(|speed: &f64| speed.is_finite() && (0.0..=1e6).contains(speed));
    speed.ok_or_else(|| format!("`{text}` is no number from 0 to 1000000, as 1 or 0.5"))
}

impl Verb for ReplayArgs {
    fn usage(&self) -> Usage {
        Usage {
            why: "it tells all that was recorded, to be chosen from by whoever asks",
            formats: NONE,
            instead: "whoever asks it says the format; `netpoller -t unix:PATH ls --format json`",
            ..Usage::of("replay")
        }
    }

    fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let Some(TargetSpec::At(Target::File(file))) = &globals.target else {
            return Err(Failure::Usage(
                "what is replayed is a recording: name one with --target file:PATH".into(),
            ));
        };
        super::block_on(async {
            let replay = Replay::open(file).await?;
            for missing in replay.missing() {
                note(missing);
            }
            let endpoint = Server::builder()
                .listen(self.serve.0.clone())
                .tell(replay.inspector())
                .tell_console(replay.console())
                .start()
                .map_err(|error| Failure::Runtime(format!("--serve: {error}")))?;
            let left = replay.left().as_secs_f64() / self.speed;
            let left = match Duration::try_from_secs_f64(left) {
                Ok(left) if self.speed > 0.0 => {
                    let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
                    format!("it goes on for {}", text::duration(left))
                }
                _ => "it stays at that moment".to_owned(),
            };
            super::print(|out| {
                let target = endpoint.target();
                writeln!(out, "attach with: netpoller -t {target}")?;
                let console = for_tokio_console(target);
                writeln!(out, "        or: tokio-console {console}")?;
                Ok(writeln!(out, "{left}; Ctrl-C ends it")?)
            })?;
            let failed = |error| Failure::Runtime(format!("catching signals: {error}"));
            let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
            let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
            let ended = || note("it has come to its end, and stays there");
            tokio::select! {
                never = replay.go_on(self.speed, ended) => match never {},
                _ = interrupted.recv() => Ok(()),
                _ = terminated.recv() => Ok(()),
            }
        })
    }
}
