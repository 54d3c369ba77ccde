//! Looks again and again, and remembers what it saw.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::accept::Accepts;
use super::away::Away;
use super::blocked::Blocked;
use super::blocking::Blocking;
use super::finding::Finding;
use super::kernel_list::KernelList;
use super::leaked::Leaked;
use super::lint::Lint;
use super::no_deadline;
use super::observation::Observation;
use super::options::Options;
use super::overdue::Overdue;
use super::peers::Peers;
use super::rates::Rates;
use super::registration::Registrations;
use super::stale::Stale;
use super::stuck::Stuck;
use super::woken::Woken;
use crate::observe::{DescId, RECORDS};
use crate::poller::Poller;
use crate::view::row::Row;

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
}

/// What was seen of one poller.
#[derive(Debug, Default)]
struct PollerHistory {
    stuck: Stuck,
    away: Away,
    blocked: Blocked,
    leaked: Leaked,
    woken: Woken,
    overdue: Overdue,
    peers: Peers,
    accepts: Accepts,
    rates: Rates,
    registrations: Registrations,
    stale: Stale,
    blocking: Blocking,
    list: KernelList,
}

impl Lints {
    /// Makes one that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            histories: HashMap::new(),
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
        let history = self.histories.entry(poller.shared.id).or_default();
        let observation = Observation::take(poller, &self.options);
        let stuck = history.stuck.waiters(&observation);
        let overdue = history.overdue.look(&observation);
        let list = &mut history.list;
        let (blocked, is_blocked) = history.blocked.look(&observation);
        let away = history.away.look(&observation);
        let mut findings = match away.filter(|_| !is_blocked) {
            // One cause, one finding: waiters are stuck and deadlines overdue because nobody polls,
            // and nobody polls because of one task.
            _ if is_blocked => blocked.into_iter().collect(),
            Some(away) => vec![Away::explain(away, history.stuck.ready())],
            None => {
                let mut findings = history.stuck.findings(&observation, &stuck, list);
                findings.extend(overdue);
                findings
            }
        };
        let (without_file, stale) = history.stale.look(&observation, list);
        // One cause, one finding: who waits for a file that is gone has lost its edge, or will have
        // when that is certain.
        let suspected =
            |finding: &Finding| id(finding).is_some_and(|id| history.stuck.suspects(id));
        findings.extend(without_file.into_iter().filter(|it| !suspected(it)));
        let mut causes = history.peers.look(&observation, &stale);
        causes.extend(history.accepts.look(&observation, &stale));
        // One cause, one finding: who waits to write to a peer that takes nothing reads nothing.
        let has_cause = |finding: &Finding| causes.iter().any(|it| id(it) == id(finding));
        let leaked = history.leaked.look(&observation);
        findings.extend(leaked.into_iter().filter(|it| !has_cause(it)));
        findings.extend(causes);
        let woken = history.woken.look(&observation);
        findings.extend(woken.into_iter().filter(|_| !is_blocked));
        findings.extend(no_deadline::look(&observation));
        findings.extend(history.blocking.look(&observation, &stale));
        findings.extend(history.registrations.look(&observation, list));
        findings.extend(history.rates.look(&observation));
        findings.sort_by_key(Finding::order);
        findings
    }

    /// Returns the lints that run.
    pub fn lints(&self) -> impl Iterator<Item = Lint> + '_ {
        self.options.lints()
    }
}

/// The descriptor that a finding is about.
fn id(finding: &Finding) -> Option<DescId> {
    finding.row.as_ref().map(Row::id)
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
