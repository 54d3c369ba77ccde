//! What our poller answers to the scripts is what real Go has answered: to every script, in each
//! form of the API, with 1, 2 and 8 threads.
//!
//! Nothing else is in this process: a child has copies of all open files until it runs its program,
//! and what the last end of a pipe was closed for would be held up by it.

use std::path::{Path, PathBuf};

use netpoller_tests::oracle::{Form, check_all, parse};

/// The files of scripts.
fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/oracle");
    let mut files: Vec<_> = ["scripts", "found"]
        .iter()
        .filter_map(|sub| std::fs::read_dir(dir.join(sub)).ok())
        .flatten()
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

fn agrees(form: Form, threads: usize) {
    let mut scripts = Vec::new();
    let mut golden = String::new();
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("scripts");
        scripts.extend(parse(&file, &text).unwrap_or_else(|problem| panic!("{problem}")));
        golden += &std::fs::read_to_string(file.with_extension("golden")).expect("their golden");
    }
    assert!(scripts.len() >= 120, "only {} scripts", scripts.len());
    let verdict = check_all(&scripts, &golden, form, threads, 8).expect("threads");
    let mut wrong: Vec<_> = verdict
        .differences
        .iter()
        .map(ToString::to_string)
        .collect();
    for report in &verdict.reports {
        for fault in &report.faults {
            wrong.push(format!("{}: {fault}", report.name));
        }
        for (line, outcome) in &report.lines {
            if outcome.ends_with(" EARLY") {
                wrong.push(format!("{}: {line}: {outcome}", report.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{form}, {threads} threads:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn blocking_handles_answer_as_go_does_with_1_thread() {
    agrees(Form::Blocking, 1);
}

#[test]
fn blocking_handles_answer_as_go_does_with_2_threads() {
    agrees(Form::Blocking, 2);
}

#[test]
fn blocking_handles_answer_as_go_does_with_8_threads() {
    agrees(Form::Blocking, 8);
}

#[test]
fn block_on_answers_as_go_does_with_1_thread() {
    agrees(Form::BlockOn, 1);
}

#[test]
fn block_on_answers_as_go_does_with_2_threads() {
    agrees(Form::BlockOn, 2);
}

#[test]
fn block_on_answers_as_go_does_with_8_threads() {
    agrees(Form::BlockOn, 8);
}

#[test]
fn tokio_answers_as_go_does_with_1_thread() {
    agrees(Form::Tokio, 1);
}

#[test]
fn tokio_answers_as_go_does_with_2_threads() {
    agrees(Form::Tokio, 2);
}

#[test]
fn tokio_answers_as_go_does_with_8_threads() {
    agrees(Form::Tokio, 8);
}
