//! One run of a script with one fault, and what must hold afterwards.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use netpoller::{Poller, block_on_poller, view};

use super::outcome::{Log, Outcome};
use super::plan::{self, Plan, Seen};
use super::planted::PLANTED;
use super::scenario::{SCENARIOS, Scenario};

/// Threads that were told to end have so long to do it.
const SETTLE: Duration = Duration::from_secs(5);

/// Which form of the library's API a script runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    BlockOn,
    Tokio,
}

impl Form {
    pub(crate) const ALL: [Form; 2] = [Form::BlockOn, Form::Tokio];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::BlockOn => "block-on",
            Form::Tokio => "tokio",
        }
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let form = Form::ALL.into_iter().find(|form| form.name() == name);
        form.ok_or_else(|| format!("no form is called {name:?}: use block-on or tokio"))
    }
}

/// A script in one of its forms.
#[derive(Clone)]
pub(crate) struct Subject {
    scenario: Scenario,
    form: Form,
}

impl Subject {
    /// All that are swept.
    pub(crate) fn all() -> Vec<Subject> {
        let forms = |scenario| Form::ALL.map(|form| Subject { scenario, form });
        SCENARIOS.into_iter().flat_map(forms).collect()
    }

    /// Those that a sweep has to find fault with.
    pub(crate) fn planted() -> Vec<Subject> {
        let form = Form::BlockOn;
        (PLANTED.into_iter())
            .map(|scenario| Subject { scenario, form })
            .collect()
    }

    /// Runs it, in the thread that calls.
    fn run(&self) -> Outcome {
        let log = Log::default();
        let poller = match Poller::builder().build() {
            Ok(poller) => poller,
            Err(error) => return log.outcome(&Err(error)),
        };
        let mut outcome = self.run_on(&poller, &log);
        plan::pause(|| {
            outcome.wrong.extend(unbalanced(&poller));
            if outcome.error.is_some() {
                // What failed has passed: the same poller does the same script.
                let log = Log::default();
                let again = self.run_on(&poller, &log);
                outcome.again = Some(Box::new(again));
                outcome.wrong.extend(unbalanced(&poller));
            }
        });
        outcome
    }

    fn run_on(&self, poller: &Poller, log: &Log) -> Outcome {
        let result = match self.form {
            Form::BlockOn => block_on_poller(poller, self.scenario.run(poller, log)),
            Form::Tokio => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_io()
                .build()
                .and_then(|runtime| {
                    let running = runtime.spawn(self.scenario.run(poller, log));
                    runtime.block_on(running).map_err(io::Error::other)?
                }),
        };
        log.outcome(&result)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.scenario.name, self.form.name())
    }
}

/// The laws that do not hold although everything is closed, and whoever is left.
fn unbalanced(poller: &Poller) -> Vec<String> {
    let mut wrong: Vec<_> = view::audit_quiescent(poller)
        .into_iter()
        .filter(|law| law.violated || law.lhs != law.rhs)
        .map(|law| format!("a law does not hold: {law:?}"))
        .collect();
    let rows = view::snapshot(poller).rows;
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
pub(crate) fn run(subject: &Subject, plan: Option<Plan>, limit: Duration) -> Result<Run, String> {
    let before = descriptors();
    let (sender, done) = channel::<Outcome>();
    let theirs = subject.clone();
    plan::arm(plan);
    let thread = std::thread::spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(|| theirs.run()));
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
    // Twice: the first run makes what a process makes once.
    let golden = run(subject, None, limit)?;
    let again = run(subject, None, limit)?;
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
    match run(subject, Some(plan), limit) {
        Ok(run) => {
            let mut wrong = run.outcome.judge(golden, Some(plan));
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
