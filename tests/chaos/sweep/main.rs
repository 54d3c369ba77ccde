//! A sweep of faults: every script again and again, each time with another system call that fails
//! in another way.
//!
//! `cargo run --release -p netpoller-tests --bin sweep`
//!
//! A first run of a script counts its calls. Then it runs once for each call and each error that
//! Linux can return there. A run must end, must leave no descriptor, no slot and no waiter behind,
//! must keep the laws, and must do either what it does when nothing fails, or less with an error
//! that names what failed. After an error the same poller runs the script once more, without a
//! fault.
//!
//! | file | holds |
//! |---|---|
//! | `site` | the calls, and the errors that they can return |
//! | `plan` | what is to go wrong next, and what was called |
//! | `interpose` | the C library's functions in front of the real ones |
//! | `scenario` | scripts of our own |
//! | `oracle` | those of the Go oracle |
//! | `planted` | scripts that a sweep has to find fault with |
//! | `outcome` | what a script did, and whether it may have done that |
//! | `run` | one run, and what must hold after it |
//! | `worker` | all runs of one script, in a process of its own |

mod interpose;
mod oracle;
mod outcome;
mod plan;
mod planted;
mod run;
mod scenario;
mod site;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use plan::Plan;
use run::Subject;
use site::Site;

/// Fails each system call of each script in each way that Linux can, one at a time, and says what
/// went wrong.
///
/// Nothing is simulated but the failure: the library runs on the kernel as it ships, and the calls
/// of the C library are intercepted in front of it. What goes wrong is printed with the command
/// that does just that again.
///
/// Exit codes: 0 nothing went wrong; 1 something did; 2 wrong arguments.
#[derive(Debug, Parser)]
#[command(name = "sweep", version)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only scripts with this in their name, as `sweep scripts` prints it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// One of so many faults, spread evenly; of our own scripts also those of the first call of
    /// each kind. 1 is all of them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Scripts that run at the same time.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
    /// A run that takes longer hangs. Far more than any script takes.
    #[arg(long, global = true, value_name = "DUR", default_value = "20s", value_parser = humantime::parse_duration)]
    limit: Duration,
    /// The scripts that have faults of their own instead, which it must find.
    #[arg(long, hide = true)]
    planted: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one script with one fault, and prints what it did.
    Replay {
        /// The script, as `sweep scripts` prints it.
        script: String,
        /// SITE:CALL:FAULT, as in epoll_ctl-add:3:ENOMEM or send-stream:1:EINTR*40.
        plan: Plan,
    },
    /// Lists the scripts.
    Scripts,
    /// Lists the calls that can fail, and how.
    Sites,
    /// Does the work of one script, and reports it in lines.
    #[command(hide = true)]
    Worker {
        script: String,
        every: u32,
        offset: u32,
        /// Faults that were tried already, by a worker that did not survive.
        done: u32,
    },
}

fn main() -> ExitCode {
    plan::exempt_this_thread();
    let args = Args::parse();
    let done = match &args.command {
        None => worker::sweep(&args),
        Some(Command::Replay { script, plan }) => {
            find(script).and_then(|subject| replay(&subject, *plan, args.limit))
        }
        Some(Command::Worker {
            script,
            every,
            offset,
            done,
        }) => {
            let work = |s: Subject| worker::work(&s, *every, *offset, *done, args.limit);
            find(script).and_then(work).map(|()| true)
        }
        Some(Command::Scripts) => Subject::all().map(|all| {
            for subject in all {
                println!("{subject}");
            }
            true
        }),
        Some(Command::Sites) => {
            for site in Site::ALL {
                let faults: Vec<_> = site.faults().iter().map(ToString::to_string).collect();
                println!("{:<16} {}", site.name(), faults.join(" "));
            }
            Ok(true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("sweep: {error}");
            ExitCode::FAILURE
        }
    }
}

fn find(name: &str) -> Result<Subject, String> {
    let mut all = Subject::all()?.into_iter().chain(Subject::planted());
    all.find(|subject| subject.to_string() == name)
        .ok_or_else(|| format!("no script is called {name:?}; `sweep scripts` lists them"))
}

fn replay(subject: &Subject, plan: Plan, limit: Duration) -> Result<bool, String> {
    let golden = run::golden(subject, limit)?;
    println!("without a fault: {:#?}", golden.outcome.lanes);
    match run::run(subject, Some(&golden.outcome), Some(plan), limit) {
        Ok(run) => println!(
            "with {plan}, which came {} times: {:#?}",
            run.seen.fired, run.outcome
        ),
        Err(hang) => {
            println!("with {plan}: {hang}");
            return Ok(false);
        }
    }
    let (wrong, _) = run::try_out(subject, &golden.outcome, plan, limit);
    for what in &wrong {
        println!("wrong: {what}");
    }
    Ok(wrong.is_empty())
}
