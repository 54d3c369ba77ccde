//! Faults on purpose, for the doctor to find: each on a small poller of its own, so that the rest of the demo lives on.
//!
//! `waits` are those that keep somebody waiting, `rates` what happens too often, `registrations` what is wrong with a
//! registration, `counts` what is counted wrongly.

mod counts;
mod rates;
mod registrations;
mod waits;

use std::any::Any;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;

use clap::ValueEnum;
use netpoller::{Desc, Poller};

use super::stop::Stop;
use crate::failure::Failure;

/// What can be planted. Each bears the name of the lint that finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Waits again after a read that left bytes behind.
    StuckWaiter,
    /// Somebody removes the registration of a descriptor that is waited for.
    LostEdge,
    /// Bytes come, and nobody reads or waits.
    LeakedReadiness,
    /// A deadline on a poller that nobody polls.
    OverdueDeadline,
    /// Breaks the poller's sleep thousands of times a second.
    WakeStorm,
    /// Several waiters are woken for each message that one of them takes.
    #[value(alias = "spurious")]
    SpuriousRatio,
    /// A batch of two events, and eight descriptors that are ready.
    StarvedBatch,
    /// A waker that does the work itself.
    SlowDispatch,
    /// Closes a descriptor before its registration, while a duplicate lives.
    GhostRegistration,
    /// Registers a socket and a duplicate of it.
    DuplicateRegistration,
    /// Registers a socket in blocking mode.
    BlockingMode,
    /// Opens and closes thousands of descriptors a second.
    GenerationChurn,
    /// Waits on an executor that does not poll.
    PollerAway,
    /// A transition that is counted although it was not made. `audit` finds it, not a lint.
    BrokenLaw,
}

impl Fault {
    /// The name on the command line, which is that of the lint.
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn label(self) -> String {
        format!("planted: {}", self.name())
    }

    /// A poller that bears the fault's name.
    fn poller(self) -> io::Result<Poller> {
        Poller::builder().name(self.poller_name()).build()
    }

    fn poller_name(self) -> String {
        format!("plant_{}", self.name().replace('-', "_"))
    }

    fn plant(self, stop: &Arc<Stop>) -> io::Result<Plant> {
        match self {
            Self::StuckWaiter => waits::stuck_waiter(self, stop),
            Self::LostEdge => waits::lost_edge(self, stop),
            Self::LeakedReadiness => waits::leaked_readiness(self, stop),
            Self::OverdueDeadline => waits::overdue_deadline(self),
            Self::PollerAway => waits::poller_away(self, stop),
            Self::WakeStorm => rates::wake_storm(self, stop),
            Self::SpuriousRatio => rates::spurious_ratio(self, stop),
            Self::StarvedBatch => rates::starved_batch(self, stop),
            Self::SlowDispatch => rates::slow_dispatch(self, stop),
            Self::GenerationChurn => rates::generation_churn(self, stop),
            Self::GhostRegistration => registrations::ghost(self),
            Self::DuplicateRegistration => registrations::duplicate(self),
            Self::BlockingMode => registrations::blocking(self),
            Self::BrokenLaw => counts::broken_law(self),
        }
    }
}

/// A planted fault: its threads, and what must live for it to stay.
#[derive(Default)]
struct Plant {
    threads: Vec<JoinHandle<()>>,
    kept: Vec<Box<dyn Any + Send>>,
}

impl Plant {
    /// A fault that stays as long as `thing` lives.
    fn keeping(thing: impl Any + Send) -> Self {
        Self::default().and(thing)
    }

    fn and(mut self, thing: impl Any + Send) -> Self {
        self.kept.push(Box::new(thing));
        self
    }

    /// Runs `work` on a thread that bears the fault's name.
    fn thread(mut self, fault: Fault, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let builder = std::thread::Builder::new().name(fault.poller_name());
        self.threads.push(builder.spawn(work)?);
        Ok(self)
    }
}

/// All that was planted. Dropping it ends the threads.
#[derive(Default)]
pub(crate) struct Plants {
    stop: Arc<Stop>,
    plants: Vec<Plant>,
}

impl Plants {
    /// Plants each fault once, however often it is named.
    pub(crate) fn start(faults: &[Fault]) -> Result<Self, Failure> {
        let mut plants = Self::default();
        for (index, fault) in faults.iter().enumerate() {
            if faults[..index].contains(fault) {
                continue;
            }
            let plant = fault
                .plant(&plants.stop)
                .map_err(|error| Failure::Runtime(format!("planting {}: {error}", fault.name())))?;
            plants.plants.push(plant);
        }
        Ok(plants)
    }
}

impl Drop for Plants {
    fn drop(&mut self) {
        self.stop.set();
        for plant in &mut self.plants {
            for thread in plant.threads.drain(..) {
                // One that panicked has said so already.
                let _ = thread.join();
            }
        }
    }
}

/// Two connected TCP sockets: ours, which does not block, and the peer's.
fn tcp_pair() -> io::Result<(std::net::TcpStream, std::net::TcpStream)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let ours = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (theirs, _) = listener.accept()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// Two connected Unix sockets, neither of which blocks.
fn unix_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// A registration and the descriptor it is for, which are given up in this order.
struct Registered<T> {
    desc: Desc,
    file: T,
}

#[cfg(test)]
mod tests {
    use netpoller::view::lints::Lint;

    use super::*;

    #[test]
    fn every_lint_has_a_fault_to_find_and_the_same_name() {
        let mut faults: Vec<_> = Fault::value_variants()
            .iter()
            .map(|fault| fault.name())
            // That one is for `audit` to find.
            .filter(|name| name != "broken-law")
            .collect();
        let mut lints: Vec<_> = Lint::ALL.iter().map(Lint::to_string).collect();
        faults.sort();
        lints.sort();
        assert_eq!(faults, lints);
    }
}
