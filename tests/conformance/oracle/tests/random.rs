//! Random scripts, without Go: that they make sense, and that a mismatch is found, made small and
//! kept.

use std::path::Path;
use std::process::Command;

use netpoller_tests::oracle::{Form, parse, random_script, run_all};

#[test]
fn a_seed_gives_the_same_script_each_time_and_another_seed_another() {
    assert_eq!(random_script(7), random_script(7));
    assert_ne!(
        random_script(7).lines().skip(1).collect::<Vec<_>>(),
        random_script(8).lines().skip(1).collect::<Vec<_>>()
    );
}

#[test]
fn no_operation_of_random_scripts_hangs_and_the_laws_hold_after_each() {
    let text: String = (0..150).map(random_script).collect();
    let scripts = parse(Path::new("random"), &text).unwrap_or_else(|problem| panic!("{problem}"));
    for report in run_all(&scripts, Form::Tokio, 2, 8).expect("threads") {
        assert!(
            report.faults.is_empty(),
            "{}: {:?}",
            report.name,
            report.faults
        );
        for (line, outcome) in &report.lines {
            let word = outcome.split(' ').next().unwrap_or_default();
            assert!(
                !matches!(word, "HANG" | "PANIC" | "MISSING" | "NOTPARKED"),
                "{}: {line}: {outcome}",
                report.name
            );
        }
    }
}

/// A `go` that builds a program whose answers are ours, but for one word.
fn lying_go(dir: &Path) -> std::path::PathBuf {
    let oracle = env!("CARGO_BIN_EXE_oracle");
    let go = dir.join("go");
    let program = format!(
        r#"#!/bin/sh
if [ "$1" = version ]; then echo "go version go1.27.3 linux/any"; exit; fi
printf '#!/bin/sh\n{oracle} "$1" | sed "s/TIMEOUT n=0/OK n=0/"\n' >"$3"
chmod +x "$3"
"#
    );
    let text = dir.join("go.sh");
    std::fs::write(&text, program).expect("a file");
    // By another process: what this one has open for writing, a child of another test may hold open
    // when it is run.
    let installed = Command::new("install")
        .args(["-m", "755"])
        .args([&text, &go])
        .status();
    assert!(installed.expect("install").success());
    go
}

#[test]
fn a_mismatch_is_made_small_and_kept_with_its_golden() {
    let dir = tempfile::tempdir().expect("a folder");
    let seed = SEED.to_string();
    // Given a Go that never has a timeout, and a script in which a read meets its deadline,
    assert!(random_script(SEED).lines().count() > 10);
    let output = Command::new(env!("CARGO_BIN_EXE_oracle"))
        .args(["random", "--count", "1", "--seed", &seed, "--keep"])
        .arg(dir.path().join("found"))
        .arg("--go")
        .arg(lying_go(dir.path()))
        .output()
        .expect("it starts");
    // when it is run, then little more is left of it than the deadline and the read.
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    let kept = dir.path().join("found").join(format!("{seed}.txt"));
    let script = std::fs::read_to_string(&kept).expect("it is kept");
    assert_eq!(script.lines().count(), 4, "{script}");
    let golden = std::fs::read_to_string(kept.with_extension("golden")).expect("its golden");
    assert!(
        golden.contains("-> OK n=0") && !golden.contains("TIMEOUT"),
        "{golden}"
    );
}

/// Of a script with a deadline that has passed.
const SEED: u64 = 44;
