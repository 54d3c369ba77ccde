//! Runs scripts side by side.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::form::Form;
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
