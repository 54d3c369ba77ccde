//! All runs of one script, in a process of its own: what hangs or crashes takes that along, and
//! nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Args;
use super::plan::Plan;
use super::run::{self, Run, Subject};

/// The faults of a script: each call that it made, with each error that Linux can return there.
fn plans(golden: &Run) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (site, calls) in &golden.seen.calls {
        for call in 1..=*calls {
            for fault in site.faults() {
                plans.push(Plan {
                    site: *site,
                    call,
                    fault,
                });
            }
        }
    }
    plans
}

/// Tries the faults of `subject`, of which `done` were tried already: one of `every`, and
/// of ours the first call of each kind.
///
/// Lines that a worker writes: `try` a plan, and then how that went; `alone` for one that wants a
/// process of its own.
pub(crate) fn work(
    subject: &Subject,
    every: u32,
    offset: u32,
    done: u32,
    limit: Duration,
) -> Result<(), String> {
    let golden = run::golden(subject, limit)?;
    let chosen = plans(&golden)
        .into_iter()
        .enumerate()
        .filter(|(number, plan)| {
            *number as u32 % every == offset % every || plan.call == 1 && subject.is_own()
        })
        .map(|(_, plan)| plan);
    for plan in chosen.skip(done as usize) {
        if plan.fault.is_remembered(plan.site) {
            say(&format!("alone {plan}"))?;
            continue;
        }
        say(&format!("try {plan}"))?;
        let (mut wrong, came) = run::try_out(subject, &golden.outcome, plan, limit);
        if plan.fault.errno == libc::EAGAIN {
            // The lane has parked because of the fault, and its script goes on as if it had met
            // what it was to wait for: what it meets then, and whether it waits for that, is
            // another matter. All else is as it must be.
            wrong.retain(|what| !what.contains("lines: `blocked "));
        }
        let hurried = [
            "EARLY",
            "blocked ",
            "NOTPARKED TIMEOUT",
            "instead of `write a 1 -> ECONNRESET",
        ];
        if wrong
            .iter()
            .any(|what| hurried.iter().any(|it| what.contains(it)))
        {
            // On a machine under load a script may come to move a deadline when it has passed, or
            // to see who waits, a lane that parks because of the fault may be taken for one that
            // waits for its peer, and a write may come before the reset that an earlier one has
            // brought about. What is wrong is so each time.
            for _ in 0..3 {
                if !wrong.is_empty() {
                    (wrong, _) = run::try_out(subject, &golden.outcome, plan, limit);
                }
            }
        }
        let hangs = wrong.iter().any(|what| what.starts_with("hangs"));
        match (wrong.is_empty(), came) {
            (true, true) => say("ok")?,
            (true, false) => say("absent")?,
            (false, _) => say(&format!("wrong {}", wrong.join("; ").replace('\n', " ")))?,
        }
        if hangs {
            // Its threads are still there, and would make the calls of the next run.
            std::process::exit(3);
        }
    }
    say("done")
}

fn say(line: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot report: {error}"))
}

/// What came of it.
#[derive(Default)]
struct Tally {
    /// For each site, the faults that came.
    came: BTreeMap<String, u32>,
    /// Of calls that were not made this time: threads do not always take the same turns.
    absent: u32,
    wrong: Vec<String>,
}

impl Tally {
    fn note(&mut self, subject: &Subject, plan: &str, said: &str) {
        match said.split_once(' ') {
            None if said == "absent" => self.absent += 1,
            None if said == "ok" => self.came(plan),
            _ => {
                self.came(plan);
                let what = said.strip_prefix("wrong ").unwrap_or(said);
                let report =
                    format!("{subject}: {plan}: {what}\n    sweep replay '{subject}' '{plan}'");
                eprintln!("sweep: {report}");
                self.wrong.push(report);
            }
        }
    }

    fn came(&mut self, plan: &str) {
        let site = plan.split(':').next().unwrap_or(plan);
        *self.came.entry(site.to_owned()).or_default() += 1;
    }
}

/// Sweeps the chosen scripts. Whether nothing went wrong.
pub(crate) fn sweep(args: &Args) -> Result<bool, String> {
    let began = Instant::now();
    let only = args.only.as_str();
    let all = if args.planted {
        Subject::planted()
    } else {
        Subject::all()?
    };
    let subjects: VecDeque<_> = all
        .into_iter()
        .enumerate()
        .filter(|(_, subject)| subject.to_string().contains(only))
        .collect();
    if subjects.is_empty() {
        return Err(format!(
            "no script has {only:?} in its name; `sweep scripts` lists them"
        ));
    }
    let scripts = subjects.len();
    let (queue, tally) = (Mutex::new(subjects), Mutex::new(Tally::default()));
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    std::thread::scope(|scope| {
        let hand = || {
            super::plan::exempt_this_thread();
            while let Some((number, subject)) = next() {
                // Another part of the faults for each script, so that together they cover all.
                if let Err(error) = supervise(&subject, args, number as u32, &tally) {
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    eprintln!("sweep: {subject}: {error}");
                    tally.wrong.push(format!("{subject}: {error}"));
                }
            }
        };
        for _ in 0..args.jobs {
            scope.spawn(hand);
        }
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (site, faults) in &tally.came {
        println!("{site:<16} {faults:>6} faults");
    }
    println!(
        "{scripts} scripts, {} faults, {} of calls not made again, {} wrong, in {:.0?}",
        tally.came.values().sum::<u32>(),
        tally.absent,
        tally.wrong.len(),
        began.elapsed()
    );
    Ok(tally.wrong.is_empty())
}

/// Runs workers for `subject` until one has come to the end.
fn supervise(
    subject: &Subject,
    args: &Args,
    offset: u32,
    tally: &Mutex<Tally>,
) -> Result<(), String> {
    let note = |plan: &str, said: &str| {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.note(subject, plan, said);
    };
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let limit = format!("{}ms", args.limit.as_millis());
    let mut done = 0;
    loop {
        let before = done;
        let mut alone = Vec::new();
        let mut worker = Command::new(&program)
            .args(["worker", &subject.to_string()])
            .args([args.every, offset, done].map(|number| number.to_string()))
            .args(["--limit", &limit])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start a worker: {error}"))?;
        let lines = worker.stdout.take().ok_or("a worker without a voice")?;
        let mut trying: Option<String> = None;
        let mut finished = false;
        for line in BufReader::new(lines).lines() {
            let line = line.map_err(|error| error.to_string())?;
            if let Some(plan) = line.strip_prefix("try ") {
                trying = Some(plan.to_owned());
            } else if let Some(plan) = line.strip_prefix("alone ") {
                alone.push(plan.to_owned());
                done += 1;
            } else if line == "done" {
                finished = true;
            } else if let Some(plan) = trying.take() {
                note(&plan, &line);
                done += 1;
            }
        }
        let status = worker.wait().map_err(|error| error.to_string())?;
        if let Some(plan) = trying {
            note(&plan, &format!("wrong its process died: {status}"));
            done += 1;
        }
        for plan in alone {
            let said = replay(&program, subject, &plan, &limit)?;
            note(&plan, &said);
        }
        if finished {
            return Ok(());
        }
        if done == before {
            return Err(format!("its worker did nothing: {status}"));
        }
    }
}

/// Tries `plan` in a process of its own.
fn replay(
    program: &std::path::Path,
    subject: &Subject,
    plan: &str,
    limit: &str,
) -> Result<String, String> {
    let output = Command::new(program)
        .args(["replay", &subject.to_string(), plan, "--limit", limit])
        .output()
        .map_err(|error| format!("cannot start a worker: {error}"))?;
    if output.status.success() {
        return Ok("ok".to_owned());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("wrong: "))
        .collect();
    Ok(format!("wrong {}: {}", output.status, wrong.join("; ")))
}
