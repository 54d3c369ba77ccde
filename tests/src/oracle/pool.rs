//! Runs scripts side by side.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::form::Form;
use super::golden::{Difference, compare, print};
use super::run::{Report, run};
use super::script::Script;

/// Runs `scripts`, `jobs` at a time, and reports on them in their order.
///
/// # Errors
///
/// The first of [`run`].
pub fn run_all(
    scripts: &[Script],
    form: Form,
    threads: usize,
    jobs: usize,
) -> io::Result<Vec<Report>> {
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::with_capacity(scripts.len()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, scripts.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(script) = scripts.get(number) else {
                        return;
                    };
                    let report = run(script, form, threads);
                    let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
                    reports.push((number, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by_key(|(number, _)| *number);
    reports.into_iter().map(|(_, report)| report).collect()
}

/// How often a script is run again that depends on the machine being quick.
const PATIENCE: usize = 10;

/// What was compared with a golden.
#[derive(Debug)]
pub struct Verdict {
    /// What became of each script.
    pub reports: Vec<Report>,
    /// Where it is not what the golden says.
    pub differences: Vec<Difference>,
    /// Scripts that were too slow for their own deadlines at first and agreed when they ran alone.
    pub slow: Vec<String>,
}

/// Runs `scripts` and compares them with `golden`.
///
/// A script with short deadlines or sleeps, or with a time for which something blocks, may differ
/// because the machine is busy. Such a one runs again, alone; a fault of the poller differs again.
/// Others have one try: no schedule excuses them.
///
/// # Errors
///
/// The first of [`run`].
pub fn check_all(
    scripts: &[Script],
    golden: &str,
    form: Form,
    threads: usize,
    jobs: usize,
) -> io::Result<Verdict> {
    let mut reports = run_all(scripts, form, threads, jobs)?;
    let mut differences = compare(golden, &print(&reports));
    let mut slow = Vec::new();
    for _ in 0..PATIENCE {
        let differing: Vec<_> = (scripts.iter().enumerate())
            .filter(|(_, script)| {
                script.is_timed() && differences.iter().any(|d| d.script == script.name)
            })
            .collect();
        if differing.is_empty() {
            break;
        }
        for (number, script) in differing {
            reports[number] = run(script, form, threads)?;
            slow.push(script.name.clone());
        }
        differences = compare(golden, &print(&reports));
    }
    slow.retain(|name| !differences.iter().any(|d| d.script == *name));
    slow.dedup();
    Ok(Verdict {
        reports,
        differences,
        slow,
    })
}
