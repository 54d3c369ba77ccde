//! Looks again and again, and remembers what it saw.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::accept::Accepts;
use super::away::Away;
use super::blocked::Blocked;
use super::blocking::Blocking;
use super::causes::Causes;
use super::files::Files;
use super::finding::Finding;
use super::gauges::{Gauges, GaugesSeen};
use super::kernel_list::KernelList;
use super::leaked::Leaked;
use super::lint::Lint;
use super::lost::Lost;
use super::no_deadline;
use super::observation::Observation;
use super::options::Options;
use super::overdue::Overdue;
use super::peers::Peers;
use super::rates::Rates;
use super::registration::Registrations;
use super::stale::Stale;
use super::starved::Starved;
use super::stuck::Stuck;
use super::woken::Woken;
use crate::observe::RECORDS;
use crate::poller::Poller;

/// Looks for known faults. It keeps what it saw between looks, because most faults show only in
/// what does not change.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use netpoller::{Poller, view::lints::{Lints, Lint, Options}};
/// use std::time::Duration;
///
/// let poller = Poller::builder().build()?;
/// let options = Options::new().allow(Lint::GenerationChurn).hold(Lint::StuckWaiter, Duration::from_secs(5));
/// let mut lints = Lints::new(options);
/// for _ in 0..3 {
///     for finding in lints.look(&poller) {
///         eprintln!("{}: {} ({})", finding.lint, finding.summary, finding.advice);
///     }
///     std::thread::sleep(Duration::from_millis(10));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Lints {
    options: Options,
    /// By number of the poller.
    histories: HashMap<u32, PollerHistory>,
    /// What the kernel did not tell in the last look at any poller, and why.
    unjudged: BTreeMap<Lint, String>,
}

/// What was seen of one poller.
#[derive(Debug, Default)]
struct PollerHistory {
    stuck: Stuck,
    away: Away,
    blocked: Blocked,
    lost: Lost,
    leaked: Leaked,
    woken: Woken,
    overdue: Overdue,
    peers: Peers,
    accepts: Accepts,
    files: Files,
    rates: Rates,
    registrations: Registrations,
    stale: Stale,
    starved: Starved,
    blocking: Blocking,
    gauges: GaugesSeen,
    list: KernelList,
}

impl PollerHistory {
    /// What is wrong, as far as it is certain by now: the gravest first.
    fn find(
        &mut self,
        observation: &Observation<'_>,
        unjudged: &mut BTreeMap<Lint, String>,
    ) -> Vec<Finding> {
        // The kernel's list is read only for what is told.
        let list = &mut self.list;
        let (mut causes, mut findings) = (Causes::default(), Vec::new());
        let mut tell = |causes: &mut Causes, found: Vec<Finding>| {
            causes.add_all(&found);
            findings.extend(found);
        };

        let (blocked, is_blocked) = self.blocked.look(observation);
        if is_blocked {
            causes.add(Lint::BlockedExecutor, None, None);
        }
        tell(&mut causes, blocked.into_iter().collect());
        let mut stuck = self.stuck.waiters(observation);
        let away = self.away.look(observation);
        let away = away.map(|away| Away::explain(away, self.stuck.ready()));
        tell(&mut causes, away.into_iter().collect());
        stuck.retain(|it| !causes.explain(Lint::StuckWaiter, it.row.id(), it.direction));
        let stuck = self.stuck.findings(observation, &stuck, list);
        tell(&mut causes, stuck);
        for (id, direction) in self.stuck.suspects() {
            causes.add(Lint::StuckWaiter, Some(id), Some(direction));
        }
        tell(&mut causes, self.overdue.look(observation));
        let (without_file, stale) = self.stale.look(observation, list);
        for id in stale {
            causes.add(Lint::StaleDescriptor, Some(id), None);
        }
        tell(&mut causes, without_file);
        tell(&mut causes, self.woken.look(observation));
        tell(&mut causes, self.peers.look(observation));
        let (stalled, held_by) = self.accepts.look(observation);
        for (id, direction) in held_by {
            causes.add(Lint::AcceptStalled, Some(id), Some(direction));
        }
        tell(&mut causes, stalled);
        tell(&mut causes, self.leaked.look(observation));
        let files = self.files.look(observation);
        tell(&mut causes, files.into_iter().collect());
        tell(&mut causes, self.blocking.look(observation));
        tell(&mut causes, self.registrations.look(observation, list));
        tell(&mut causes, self.rates.look(observation));
        let (starved, is_starved) = self.starved.look(observation);
        if is_starved {
            causes.add(Lint::ThreadStarved, None, None);
        }
        tell(&mut causes, starved.into_iter().collect());
        // Last, for its findings are of lines, and leave out the waits that are explained.
        let no_deadline = no_deadline::look(observation, &causes);
        tell(&mut causes, no_deadline);
        // It explains nothing of the poller, for others do its work.
        let lost = self.lost.look(observation);
        findings.extend(lost.filter(|_| !is_blocked));

        let refused = [
            (Lint::BlockedExecutor, self.blocked.refused()),
            (Lint::AcceptStalled, self.accepts.refused()),
        ];
        let of_list = [Lint::DuplicateRegistration, Lint::GhostRegistration];
        let of_list = of_list.map(|lint| (lint, self.list.refused()));
        for (lint, why) in refused.into_iter().chain(of_list) {
            let why = why.filter(|_| observation.runs(lint));
            unjudged.extend(why.map(|why| (lint, why.to_owned())));
        }
        findings.retain(|finding| !causes.explain_finding(finding));
        findings.sort_by_key(Finding::order);
        findings
    }
}

impl Lints {
    /// Makes one that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            histories: HashMap::new(),
            unjudged: BTreeMap::new(),
        }
    }

    /// Looks at `poller`, and says what is wrong with it as far as it is certain by now: the
    /// gravest first. To be called several times within [`Options::window`], and on; the first look
    /// finds nothing, because everything is seen twice.
    ///
    /// Nothing is changed and no lock of a descriptor is taken, so it works while the program
    /// hangs.
    pub fn look(&mut self, poller: &Poller) -> Vec<Finding> {
        // Without instrumentation there are no stamps to judge by.
        if !RECORDS {
            return Vec::new();
        }
        let observation = Observation::take(poller, &self.options);
        self.histories
            .entry(poller.shared.id)
            .or_default()
            .find(&observation, &mut self.unjudged)
    }

    /// [`Lints::look`], and what the same look sees that is no fault.
    pub(crate) fn look_with_gauges(&mut self, poller: &Poller) -> (Vec<Finding>, Gauges) {
        if !RECORDS {
            return Default::default();
        }
        let observation = Observation::take(poller, &self.options);
        let history = self.histories.entry(poller.shared.id).or_default();
        let findings = history.find(&observation, &mut self.unjudged);
        (findings, history.gauges.look(&observation))
    }

    /// Returns the lints that run: none without instrumentation, which has nothing to judge by.
    pub fn lints(&self) -> impl Iterator<Item = Lint> + '_ {
        self.options.lints().filter(|_| RECORDS)
    }

    /// Forgets the pollers whose numbers are not among these: they are gone.
    pub(crate) fn keep(&mut self, ids: &[u32]) {
        self.histories.retain(|id, _| ids.contains(id));
    }

    pub(crate) fn has_options(&self, options: &Options) -> bool {
        self.options == *options
    }

    /// From here on it does without the kernel's lists.
    pub(crate) fn leave_kernel(&mut self) {
        self.options = std::mem::take(&mut self.options).kernel(false);
    }

    /// Returns those of them that could not be judged in some look, because the kernel did not tell
    /// what they go by, and why.
    pub fn unjudged(&self) -> impl Iterator<Item = (Lint, &str)> {
        self.unjudged.iter().map(|(lint, why)| (*lint, &**why))
    }
}

/// Looks at `poller` for `window`, and says what is wrong with it. The thread sleeps meanwhile.
pub fn diagnose(poller: &Poller, window: Duration) -> Vec<Finding> {
    let options = Options::new().window(window);
    let (began, pause) = (Instant::now(), options.pause());
    let mut lints = Lints::new(options);
    lints.look(poller);
    loop {
        std::thread::sleep(pause.min(window.saturating_sub(began.elapsed())));
        let findings = lints.look(poller);
        if began.elapsed() >= window {
            return findings;
        }
    }
}

#[cfg(all(test, not(loom), not(netpoller_bare)))]
mod tests;
