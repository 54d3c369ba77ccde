//! `oracle`: runs scripts on netpoller, compares with what real Go answered, and lets Go answer
//! again.

mod answer;
mod args;
mod failure;
mod hunt;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use netpoller_tests::oracle::{Go, Script, Verdict, check_all, compare, parse, run_all};

use args::{Args, Command, GoArgs};
use failure::Failure;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.command {
        Some(Command::Go(go)) => ask_go(go),
        Some(Command::Random(random)) => hunt::hunt(random),
        None => run_files(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The scripts of a file.
fn read(file: &Path) -> Result<Vec<Script>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Runtime(format!("cannot read {}: {error}", file.display())))?;
    parse(file, &text).map_err(|problem| Failure::Usage(problem.to_string()))
}

/// `tcp.golden` for `tcp.txt`.
fn golden_of(file: &Path) -> PathBuf {
    file.with_extension("golden")
}

fn read_golden(golden: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(golden).map_err(|error| {
        Failure::Runtime(format!(
            "cannot read {}: {error}: `oracle go --update` writes it, with the answers of real Go",
            golden.display()
        ))
    })
}

/// Where the Go program's source is, seen from the folder of this crate or of the workspace.
fn go_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/oracle/go")
}

fn run_files(args: &Args) -> Result<(), Failure> {
    if args.files.is_empty() {
        let advice = "name some scripts, as tests/conformance/oracle/scripts/*.txt, or see --help"
            .to_owned();
        return Err(Failure::Usage(advice));
    }
    let check = args.check || args.golden.is_some();
    let mut answers = Vec::new();
    for file in &args.files {
        let mut scripts = read(file)?;
        if let Some(only) = &args.only {
            scripts.retain(|script| script.name.contains(only));
        }
        let how = &args.how;
        let (form, threads, jobs) = (how.form, how.threads.into(), how.jobs.into());
        let failed = |error| Failure::Runtime(format!("cannot run the scripts: {error}"));
        let verdict = if check {
            let golden = args.golden.clone().unwrap_or_else(|| golden_of(file));
            let golden = answer::only(&read_golden(&golden)?, args.only.as_deref());
            check_all(&scripts, &golden, form, threads, jobs).map_err(failed)?
        } else {
            Verdict {
                reports: run_all(&scripts, form, threads, jobs).map_err(failed)?,
                differences: Vec::new(),
                slow: Vec::new(),
            }
        };
        answers.push(answer::Answer {
            file: file.clone(),
            verdict,
        });
    }
    answer::show(args, check, &answers)
}

fn ask_go(args: &GoArgs) -> Result<(), Failure> {
    // Before anything is built: a script that makes no sense here makes none there.
    for file in &args.files {
        read(file)?;
    }
    let go = Go::build(&args.go, &go_source()).map_err(|e| Failure::Runtime(e.to_string()))?;
    let mut drifts = 0;
    for file in &args.files {
        let answer = go
            .answer(file)
            .map_err(|e| Failure::Runtime(e.to_string()))?;
        let golden = golden_of(file);
        if args.update {
            std::fs::write(&golden, answer).map_err(|error| {
                Failure::Runtime(format!("cannot write {}: {error}", golden.display()))
            })?;
            println!("wrote {}", golden.display());
        } else if args.check {
            let differences = compare(&read_golden(&golden)?, &answer);
            drifts += differences.len();
            for difference in &differences {
                println!("{}: {difference}", golden.display());
            }
            if differences.is_empty() {
                let scripts = answer.matches("== ").count();
                println!(
                    "{}: Go answers the same to {scripts} scripts",
                    golden.display()
                );
            }
        } else {
            print!("{answer}");
        }
    }
    if drifts == 0 {
        return Ok(());
    }
    Err(Failure::Findings(format!(
        "Go answers otherwise than {drifts} of the goldens say: is it another kernel? If the new answer is right, \
         `oracle go --update` keeps it"
    )))
}
