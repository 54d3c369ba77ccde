//! One run of a script with one fault, and what must hold afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use netpoller::{Poller, block_on_poller};
use netpoller_tests::oracle::{Form, Script};

use super::oracle;
use super::outcome::{Log, Outcome};
use super::plan::{self, Plan, Seen};
use super::planted::PLANTED;
use super::scenario::{SCENARIOS, Scenario};
use super::site::SHORT;

/// Threads that were told to end have so long to do it.
const SETTLE: Duration = Duration::from_secs(30);

/// So often it is tried what a script does without a fault.
const ATTEMPTS: usize = 5;

/// A script in one of the forms of the library's API.
#[derive(Clone)]
pub(crate) struct Subject {
    body: Body,
    form: Form,
}

#[derive(Clone)]
enum Body {
    Own(Scenario),
    Oracle(Arc<Script>),
}

impl Subject {
    /// All that are swept: ours, and those of the oracle.
    ///
    /// # Errors
    ///
    /// If the oracle's scripts cannot be read.
    pub(crate) fn all() -> Result<Vec<Subject>, String> {
        let mut all = Vec::new();
        for scenario in SCENARIOS {
            // The one with threads has them in either form.
            for form in [Form::BlockOn, Form::Tokio] {
                let body = Body::Own(scenario);
                all.push(Subject { body, form });
            }
        }
        for script in oracle::scripts()? {
            for form in Form::ALL {
                let body = Body::Oracle(script.clone());
                all.push(Subject { body, form });
            }
        }
        Ok(all)
    }

    /// Those that a sweep has to find fault with.
    pub(crate) fn planted() -> Vec<Subject> {
        let form = Form::BlockOn;
        (PLANTED.into_iter().map(Body::Own))
            .map(|body| Subject { body, form })
            .collect()
    }

    /// Whether it is one of ours.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self.body, Body::Own(_))
    }

    /// Runs it, in the thread that calls. `golden` is what it has to do, once that is known, and
    /// `pieces` whether writes are cut.
    fn run(&self, golden: Option<&Outcome>, pieces: bool) -> Outcome {
        match &self.body {
            Body::Own(scenario) => self.run_own(*scenario),
            Body::Oracle(script) => oracle::run(script, self.form, golden, pieces),
        }
    }

    /// What it has to do when writes are cut, if it does `golden` when they are not.
    fn in_pieces(&self, golden: &Outcome) -> Outcome {
        match &self.body {
            Body::Oracle(script) => oracle::in_pieces(script, golden),
            Body::Own(_) => golden.clone(),
        }
    }

    fn run_own(&self, scenario: Scenario) -> Outcome {
        let log = Log::default();
        let poller = match Poller::builder().build() {
            Ok(poller) => poller,
            Err(error) => return log.outcome(&Err(error)),
        };
        let mut outcome = self.run_on(&poller, scenario, &log);
        plan::pause(|| {
            outcome.wrong.extend(unbalanced(&poller));
            if outcome.error.is_some() {
                // What failed has passed: the same poller does the same script.
                let log = Log::default();
                let again = self.run_on(&poller, scenario, &log);
                outcome.again = Some(Box::new(again));
                outcome.wrong.extend(unbalanced(&poller));
            }
        });
        outcome
    }

    fn run_on(&self, poller: &Poller, scenario: Scenario, log: &Log) -> Outcome {
        let result = match self.form {
            Form::BlockOn | Form::Blocking => block_on_poller(poller, scenario.run(poller, log)),
            Form::Tokio => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_io()
                .build()
                .and_then(|runtime| {
                    let running = runtime.spawn(scenario.run(poller, log));
                    runtime.block_on(running).map_err(io::Error::other)?
                }),
        };
        log.outcome(&result)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Own(scenario) => write!(f, "{} / {}", scenario.name, self.form),
            Body::Oracle(script) => write!(f, "oracle {} / {}", script.name, self.form),
        }
    }
}

/// The laws that do not hold although everything is closed, and whoever is left.
fn unbalanced(poller: &Poller) -> Vec<String> {
    let mut wrong: Vec<_> = poller
        .audit_quiescent()
        .expect("no forked child")
        .into_iter()
        .filter(|law| law.violated || law.lhs != law.rhs)
        .map(|law| format!("a law does not hold: {law:?}"))
        .collect();
    let rows = poller.rows();
    if !rows.is_empty() {
        wrong.push(format!("descriptors are left in the poller: {rows:?}"));
    }
    if poller.waiters() != 0 {
        wrong.push(format!("{} waiters are left", poller.waiters()));
    }
    wrong
}

/// What a run showed.
pub(crate) struct Run {
    pub(crate) outcome: Outcome,
    pub(crate) seen: Seen,
}

/// Runs `subject` with `plan`.
///
/// # Errors
///
/// Those of a run that does not end, and can be left behind only together with the process.
pub(crate) fn run(
    subject: &Subject,
    golden: Option<&Outcome>,
    plan: Option<Plan>,
    limit: Duration,
) -> Result<Run, String> {
    make_what_stays();
    let before = descriptors();
    let (sender, done) = channel::<Outcome>();
    let (theirs, golden) = (subject.clone(), golden.cloned());
    let pieces = plan.is_some_and(|plan| plan.fault.errno == SHORT);
    plan::arm(plan);
    let thread = std::thread::spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| theirs.run(golden.as_ref(), pieces)));
        let outcome = outcome.unwrap_or_else(|panic| Outcome {
            wrong: vec![format!("it panics: {}", message(&*panic))],
            ..Outcome::default()
        });
        // The harness waits for it, or has given up.
        let _ = sender.send(outcome);
    });
    let outcome = done.recv_timeout(limit);
    let seen = plan::disarm();
    let mut outcome = match outcome {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => return Err(format!("hangs: not done after {limit:?}")),
        Err(RecvTimeoutError::Disconnected) => return Err("its thread has vanished".into()),
    };
    // It has said its last, and takes the poller of its thread along.
    let _ = thread.join();
    if let Err(leaked) = settle(&before) {
        outcome.wrong.push(leaked);
    }
    Ok(Run { outcome, seen })
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

/// Makes what a first run would make and no run gives back: a tokio with signals, as it is where
/// another crate of the build asks for them, keeps a pair of sockets for the whole process.
fn make_what_stays() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build();
    });
}

/// The open descriptors and what they stand for.
fn descriptors() -> BTreeMap<String, String> {
    let listed = std::fs::read_dir("/proc/self/fd").map(|list| {
        list.filter_map(|entry| {
            let entry = entry.ok()?;
            // That of the list itself is closed by now.
            let file = std::fs::read_link(entry.path()).ok()?;
            Some((
                entry.file_name().to_string_lossy().into_owned(),
                file.to_string_lossy().into_owned(),
            ))
        })
        .filter(|(_, file)| !file.starts_with("/proc/"))
        .collect()
    });
    listed.unwrap_or_default()
}

/// Waits until the same descriptors are open as `before`.
fn settle(before: &BTreeMap<String, String>) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let now = descriptors();
        if now == *before {
            return Ok(());
        }
        if began.elapsed() > SETTLE {
            return Err(format!(
                "descriptors are not as before: {before:?}, now {now:?}"
            ));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a script does when nothing fails, and the calls that can.
///
/// # Errors
///
/// If it does not go well even so.
pub(crate) fn golden(subject: &Subject, limit: Duration) -> Result<Run, String> {
    // This one makes what a process makes once, and keeps that open: the global poller.
    run(subject, None, None, limit)?;
    // On a busy machine a deadline may come before what is meant to be done by then. What is wrong
    // is so each time.
    for _ in 1..ATTEMPTS {
        if let Ok(golden) = try_golden(subject, limit) {
            return Ok(golden);
        }
    }
    try_golden(subject, limit)
}

fn try_golden(subject: &Subject, limit: Duration) -> Result<Run, String> {
    let golden = run(subject, None, None, limit)?;
    let again = run(subject, None, None, limit)?;
    let wrong = [
        golden.outcome.judge(&golden.outcome, None),
        again.outcome.judge(&golden.outcome, None),
    ]
    .concat();
    if wrong.is_empty() {
        Ok(again)
    } else {
        Err(format!(
            "it goes wrong without a fault: {}",
            wrong.join("; ")
        ))
    }
}

/// What is wrong with a run of `subject` with `plan`, and whether the fault came at all.
pub(crate) fn try_out(
    subject: &Subject,
    golden: &Outcome,
    plan: Plan,
    limit: Duration,
) -> (Vec<String>, bool) {
    let expected = match plan.fault.errno {
        SHORT => subject.in_pieces(golden),
        _ => golden.clone(),
    };
    match run(subject, Some(&expected), Some(plan), limit) {
        Ok(run) => {
            let mut wrong = run.outcome.judge(&expected, Some(plan));
            if let Some(again) = &run.outcome.again {
                let then = again.judge(golden, None);
                wrong.extend(
                    then.into_iter()
                        .map(|what| format!("and once more, without the fault: {what}")),
                );
            }
            (wrong, run.seen.fired > 0)
        }
        Err(hang) => (vec![hang], true),
    }
}
