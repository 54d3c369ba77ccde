//! What one transition costs: the same waits and wakes with and without instrumentation.

use std::future::Future;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use netpoller::{Direction, Kind, Poller, ReadyList};
use rustix::event::{EventfdFlags, eventfd};

use super::args::Args;
use super::stats::Spread;
use super::variants::{Variant, Variants};

/// Descriptors that become ready for one poll, as under load.
const BATCH: usize = 64;
const BATCHES: usize = 4000;
/// arm, park, ready_parked, consume.
pub(crate) const TRANSITIONS: f64 = 4.0;

/// Runs in a process of its own: prints the nanoseconds of one wait that is parked and woken.
pub(crate) fn run() -> io::Result<()> {
    let poller = Poller::builder().name("transition").build()?;
    let mut descriptors = Vec::new();
    for _ in 0..BATCH {
        let fd = eventfd(0, EventfdFlags::NONBLOCK)?;
        let desc = poller
            .open(fd.as_fd(), Kind::Other)
            .map_err(io::Error::other)?;
        descriptors.push((fd, desc));
    }
    let mut ready = ReadyList::with_capacity(2 * BATCH);
    let mut best = Duration::MAX;
    // The fastest of ten tells what the code costs and not what else the machine did.
    for _ in 0..10 {
        let begin = Instant::now();
        for _ in 0..BATCHES / 10 {
            batch(&poller, &descriptors, &mut ready)?;
        }
        best = best.min(begin.elapsed());
    }
    let waits = BATCH * BATCHES / 10;
    println!("{}", best.as_nanos() as f64 / waits as f64);
    io::stdout().flush()
}

fn batch(
    poller: &Poller,
    descriptors: &[(rustix::fd::OwnedFd, netpoller::Desc)],
    ready: &mut ReadyList,
) -> io::Result<()> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut waits: Vec<_> = descriptors
        .iter()
        .map(|(_, desc)| Box::pin(desc.wait(Direction::Read)))
        .collect();
    for wait in &mut waits {
        if pin!(wait).poll(&mut cx).is_ready() {
            return Err(io::Error::other("ready before its event"));
        }
    }
    for (fd, _) in descriptors {
        rustix::io::write(fd, &1_u64.to_ne_bytes())?;
    }
    poller.poll(Some(Duration::ZERO), ready)?;
    ready.wake_all();
    for wait in &mut waits {
        if pin!(wait).poll(&mut cx).is_pending() {
            return Err(io::Error::other("not woken by its event"));
        }
    }
    for (fd, _) in descriptors {
        rustix::io::read(fd, &mut [0; 8])?;
    }
    Ok(())
}

/// Nanoseconds of a transition, by the difference between the two builds.
pub(crate) fn measure(args: &Args, variants: &Variants, core: usize) -> io::Result<Option<Spread>> {
    eprintln!("overhead: a transition");
    super::sys::pin_to(core)?;
    let mut costs = Vec::new();
    for _ in 0..args.rounds {
        let [on, off] = [Variant::On, Variant::Off].map(|variant| -> io::Result<f64> {
            let mut command = variants.command(variant, "overhead")?;
            let output = command.arg("--transitions").output()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            text.parse()
                .map_err(|_| io::Error::other(format!("the measuring process said {text:?}")))
        });
        costs.push((on? - off?) / TRANSITIONS);
    }
    Ok(Spread::of(costs))
}
