//! What the scripts came to, as text or JSON.

use std::path::PathBuf;

use netpoller_tests::oracle::{Verdict, print};
use serde_json::{Value, json};

use super::args::Args;
use super::failure::Failure;

/// What became of the scripts of one file.
pub(crate) struct Answer {
    pub(crate) file: PathBuf,
    pub(crate) verdict: Verdict,
}

/// The scripts of a golden whose names contain `only`.
pub(crate) fn only(golden: &str, only: Option<&str>) -> String {
    let Some(only) = only else {
        return golden.to_owned();
    };
    let mut kept = false;
    let lines = golden.lines().filter(|line| {
        if let Some(name) = line.strip_prefix("== ") {
            kept = name.contains(only);
        }
        kept
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Shows the answers, and fails if they are not what they should be.
pub(crate) fn show(args: &Args, check: bool, answers: &[Answer]) -> Result<(), Failure> {
    if args.json {
        println!("{}", document(args, answers));
    } else if check {
        for answer in answers {
            for difference in &answer.verdict.differences {
                println!("{}: {difference}", answer.file.display());
            }
            if answer.verdict.differences.is_empty() {
                let scripts = answer.verdict.reports.len();
                println!("{}: {scripts} scripts as in Go", answer.file.display());
            }
        }
    } else {
        for answer in answers {
            print!("{}", print(&answer.verdict.reports));
        }
    }
    for name in answers.iter().flat_map(|answer| &answer.verdict.slow) {
        eprintln!(
            "oracle: warning: {name}: slower than its own deadlines at first; is the machine busy?"
        );
    }
    let mut findings: usize = answers
        .iter()
        .map(|answer| answer.verdict.differences.len())
        .sum();
    for report in answers.iter().flat_map(|answer| &answer.verdict.reports) {
        for fault in &report.faults {
            eprintln!("oracle: {}: {fault}", report.name);
            findings += 1;
        }
        for (line, outcome) in &report.lines {
            if outcome.ends_with(" EARLY") {
                eprintln!(
                    "oracle: {}: {line}: it ended before its deadline",
                    report.name
                );
                findings += 1;
            }
            if outcome.ends_with(" VERYLATE") {
                eprintln!(
                    "oracle: warning: {}: {line}: more than 200 ms after its deadline; is the machine busy?",
                    report.name
                );
            }
        }
    }
    if findings == 0 {
        return Ok(());
    }
    Err(Failure::Findings(format!(
        "{findings} findings, form {}, {} threads",
        args.how.form, args.how.threads
    )))
}

fn document(args: &Args, answers: &[Answer]) -> Value {
    let scripts = answers.iter().flat_map(|answer| {
        answer.verdict.reports.iter().map(move |report| {
            let lines: Vec<_> = (report.lines.iter())
                .map(|(line, outcome)| json!({ "line": line, "outcome": outcome }))
                .collect();
            let differences: Vec<_> = (answer.verdict.differences.iter())
                .filter(|difference| difference.script == report.name)
                .map(|d| json!({ "expected": d.expected, "found": d.found }))
                .collect();
            json!({
                "file": answer.file.display().to_string(),
                "name": report.name,
                "lines": lines,
                "differences": differences,
                "faults": report.faults,
            })
        })
    });
    json!({
        "schema": "netpoller/v1/oracle",
        "form": args.how.form.name(),
        "threads": args.how.threads,
        "items": scripts.collect::<Vec<_>>(),
    })
}
