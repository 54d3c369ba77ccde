//! The oracle's scripts, up to the first line that goes another way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use netpoller_tests::oracle::{Form, Script, parse, run_while};

use super::outcome::{Outcome, describe, names_error};

/// The lane of the controller.
const LINES: &str = "lines";

/// All of them.
///
/// # Errors
///
/// The file that cannot be read, or the line that makes no sense.
pub(crate) fn scripts() -> Result<Vec<Arc<Script>>, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/oracle/scripts");
    let cannot = |error| {
        format!(
            "cannot read the scripts in {}: {error}",
            directory.display()
        )
    };
    let mut files = std::fs::read_dir(&directory)
        .and_then(|list| {
            list.map(|entry| Ok(entry?.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(cannot)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let mut scripts = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(cannot)?;
        let parsed = parse(&file, &text).map_err(|problem| problem.to_string())?;
        scripts.extend(parsed.into_iter().map(Arc::new));
    }
    Ok(scripts)
}

/// A line as it is compared. A machine under load is late, which is no fault. If writes come
/// `in_pieces`, how much is written is the same, but not what a read finds at once, nor what is
/// left for the next.
fn compared(script: &Script, line: &str, outcome: &str, in_pieces: bool) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let writes = match words[..] {
        ["done", lane, ..] => script.lines.iter().any(|line| {
            let call = line.text.strip_prefix("go ").unwrap_or_default();
            call.strip_prefix(lane)
                .is_some_and(|call| call.trim_start().starts_with("write"))
        }),
        [word, ..] => word.starts_with("write"),
        [] => false,
    };
    let failed = names_error(outcome) || outcome.contains("HANG") || outcome.contains("PANIC");
    if in_pieces && !writes && !failed {
        return format!("{line} -> something");
    }
    // To write to a peer that is gone is one of two errors, and which depends on how far its reset
    // has come. What a pipe holds depends on how many writes it took to fill it.
    let outcome = outcome
        .replace("VERYLATE", "ontime")
        .replace("EPIPE", "ECONNRESET");
    match outcome.split_once(" n=") {
        Some(("TIMEOUT", _)) if in_pieces => format!("{line} -> TIMEOUT"),
        _ => format!("{line} -> {outcome}"),
    }
}

/// `golden`, as it is when writes are cut.
pub(crate) fn in_pieces(script: &Script, golden: &Outcome) -> Outcome {
    let vague = |line: &String| match line.split_once(" -> ") {
        Some((line, outcome)) => compared(script, line, outcome, true),
        None => line.clone(),
    };
    let lanes = golden.lanes.iter();
    Outcome {
        lanes: lanes
            .map(|(lane, lines)| (lane.clone(), lines.iter().map(vague).collect()))
            .collect(),
        ..golden.clone()
    }
}

/// Runs `script` until it departs from `golden`: what comes after a failure follows from that.
pub(crate) fn run(
    script: &Script,
    form: Form,
    golden: Option<&Outcome>,
    in_pieces: bool,
) -> Outcome {
    let golden = golden.and_then(|golden| golden.lanes.get(LINES));
    let departs = |lines: &[String]| golden.is_some_and(|golden| !golden.starts_with(lines));
    let printed = |lines: &[(String, String)]| -> Vec<String> {
        let lines = lines.iter();
        lines
            .map(|(line, outcome)| compared(script, line, outcome, in_pieces))
            .collect()
    };
    let report = match run_while(script, form, 1, |lines| !departs(&printed(lines))) {
        Ok(report) => report,
        Err(error) => {
            return Outcome {
                error: Some(describe(&error)),
                ..Outcome::default()
            };
        }
    };
    let mut lines = printed(&report.lines);
    let mut error = None;
    if departs(&lines)
        && let Some(last) = lines.last()
    {
        // What the script sees first may be another operation that waits in vain for the one that
        // failed.
        let told = |line: &&String| names_error(line);
        error = [last].into_iter().chain(&report.ends).find(told).cloned();
        if error.is_some() {
            lines.pop();
        }
    }
    Outcome {
        lanes: BTreeMap::from([(LINES.to_owned(), lines)]),
        error,
        wrong: report.faults,
        again: None,
    }
}
