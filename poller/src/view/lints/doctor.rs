//! Looks again and again, and remembers what it saw.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::away::Away;
use super::blocking::Blocking;
use super::finding::Finding;
use super::leaked::Leaked;
use super::lint::Lint;
use super::options::Options;
use super::overdue::Overdue;
use super::rates::Rates;
use super::registration::Registrations;
use super::sight::Sight;
use super::stuck::Stuck;
use crate::poller::Poller;

/// Looks for known faults. It keeps what it saw between looks, because most faults show only in what does not change.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use netpoller::{Poller, view::lints::{Doctor, Lint, Options}};
/// use std::time::Duration;
///
/// let poller = Poller::builder().build()?;
/// let options = Options::new().allow(Lint::GenerationChurn).hold(Lint::StuckWaiter, Duration::from_secs(5));
/// let mut doctor = Doctor::new(options);
/// for _ in 0..3 {
///     for finding in doctor.look(&poller) {
///         eprintln!("{}: {} ({})", finding.lint, finding.summary, finding.advice);
///     }
///     std::thread::sleep(Duration::from_millis(10));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Doctor {
    options: Options,
    /// By number of the poller.
    charts: HashMap<u32, Chart>,
}

/// What was seen of one poller.
#[derive(Debug, Default)]
struct Chart {
    stuck: Stuck,
    away: Away,
    leaked: Leaked,
    overdue: Overdue,
    rates: Rates,
    registrations: Registrations,
    blocking: Blocking,
}

impl Doctor {
    /// One that has seen nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            charts: HashMap::new(),
        }
    }

    /// Looks at `poller`, and says what is wrong with it as far as it is certain by now: the gravest first. To be called
    /// several times within [`Options::window`], and on; the first look finds nothing, because everything is seen twice.
    ///
    /// Nothing is changed and no lock of a descriptor is taken, so it works while the program hangs.
    pub fn look(&mut self, poller: &Poller) -> Vec<Finding> {
        // Without instrumentation there are no stamps to judge by.
        if cfg!(netpoller_bare) {
            return Vec::new();
        }
        let chart = self.charts.entry(poller.shared.id).or_default();
        let sight = Sight::take(poller, &self.options);
        let stuck = chart.stuck.waiters(&sight);
        let overdue = chart.overdue.look(&sight);
        let mut findings = match chart.away.look(&sight) {
            // One cause, one finding: waiters are stuck and deadlines overdue because nobody polls.
            Some(away) => vec![Away::explain(away, chart.stuck.ready())],
            None => {
                let mut findings = chart.stuck.findings(&sight, &stuck);
                findings.extend(overdue);
                findings
            }
        };
        findings.extend(chart.leaked.look(&sight));
        findings.extend(chart.blocking.look(&sight));
        findings.extend(chart.registrations.look(&sight));
        findings.extend(chart.rates.look(&sight));
        findings.sort_by_key(Finding::order);
        findings
    }

    /// The lints that run.
    pub fn lints(&self) -> impl Iterator<Item = Lint> + '_ {
        self.options.lints()
    }
}

/// Looks at `poller` for `window`, and says what is wrong with it. The thread sleeps meanwhile.
pub fn diagnose(poller: &Poller, window: Duration) -> Vec<Finding> {
    let options = Options::new().window(window);
    let (began, pause) = (Instant::now(), options.pause());
    let mut doctor = Doctor::new(options);
    doctor.look(poller);
    loop {
        std::thread::sleep(pause.min(window.saturating_sub(began.elapsed())));
        let findings = doctor.look(poller);
        if began.elapsed() >= window {
            return findings;
        }
    }
}
