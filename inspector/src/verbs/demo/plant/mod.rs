//! Faults on purpose, for the doctor to find: each on a small poller of its own, so that the rest
//! of the demo lives on.
//!
//! `peers` are of what the other side does, `waits` those that keep somebody waiting, `rates` what
//! happens too often, `registrations` what is wrong with a registration, `files` what runs out,
//! `counts` what is counted wrongly.

mod counts;
mod fault;
mod files;
mod peers;
mod rates;
mod registrations;
mod sown;
mod waits;

use std::io;
use std::sync::Arc;

pub(crate) use fault::Fault;

use super::stop::Stop;
use crate::failure::Failure;
use sown::Plant;

/// Plants a fault beside a demo that may have so many files open.
fn plant(fault: Fault, stop: &Arc<Stop>, files: u64) -> io::Result<Plant> {
    match fault {
        Fault::StuckWaiter => waits::stuck_waiter(fault, stop),
        Fault::LostEdge => waits::lost_edge(fault, stop),
        Fault::LeakedReadiness => waits::leaked_readiness(fault, stop),
        Fault::BlockedExecutor => waits::blocked_executor(fault, stop),
        Fault::ThreadStarved => waits::thread_starved(fault, stop),
        Fault::NoDeadline => waits::no_deadline(fault, stop),
        Fault::WokenNotRun => waits::woken_not_run(fault, stop),
        Fault::PeerNotReading => peers::not_reading(fault, stop),
        Fault::PeerGone => peers::gone(fault, stop),
        Fault::CloseWaitHeld => peers::close_wait(fault, stop),
        Fault::AcceptStalled => peers::accept_stalled(fault, stop),
        Fault::DescriptorsRunOut => files::descriptors_run_out(fault, stop, files),
        Fault::OverdueDeadline => waits::overdue_deadline(fault),
        Fault::PollerAway => waits::poller_away(fault, stop),
        Fault::WakeStorm => rates::wake_storm(fault, stop),
        Fault::SpuriousRatio => rates::spurious_ratio(fault, stop),
        Fault::StarvedBatch => rates::starved_batch(fault, stop),
        Fault::SlowDispatch => rates::slow_dispatch(fault, stop),
        Fault::GenerationChurn => rates::generation_churn(fault, stop),
        Fault::GhostRegistration => registrations::ghost(fault),
        Fault::DuplicateRegistration => registrations::duplicate(fault),
        Fault::BlockingMode => registrations::blocking(fault),
        Fault::StaleDescriptor => registrations::stale(fault),
        Fault::BrokenLaw => counts::broken_law(fault),
    }
}

/// All that was planted. Dropping it ends the threads.
#[derive(Default)]
pub(crate) struct Plants {
    stop: Arc<Stop>,
    plants: Vec<Plant>,
}

impl Plants {
    /// Plants each fault once, however often it is named. The rest of the demo may have so many
    /// files open.
    pub(crate) fn start(faults: &[Fault], files: u64) -> Result<Self, Failure> {
        let mut plants = Self::default();
        for (index, fault) in faults.iter().enumerate() {
            if faults[..index].contains(fault) {
                continue;
            }
            let plant = plant(*fault, &plants.stop, files)
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

#[cfg(test)]
mod tests {
    use netpoller::view::lints::Lint;

    use clap::ValueEnum;

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
