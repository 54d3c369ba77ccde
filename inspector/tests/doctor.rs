//! `netpoller doctor` against a mock of the endpoint.

use std::path::Path;
use std::process::Output;

use netpoller::view::lints::Lint;
use netpoller_proto::v1;
use netpoller_tests::mock::{Mock, Running};
use netpoller_tests::program::netpoller;
use netpoller_tests::rows::{self, NOW_NS};
use serde_json::Value;
use tempfile::TempDir;

const SECOND_NS: u64 = 1_000_000_000;

fn run(scratch: &Path, arguments: &[&str]) -> Output {
    netpoller(scratch)
        .args(arguments)
        .output()
        .expect("run netpoller")
}

/// Without the places where lines were broken.
fn flat(bytes: &[u8]) -> String {
    let words: Vec<&str> = text(bytes).split_whitespace().collect();
    words.join(" ")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
}

/// A process with a stuck waiter and a storm.
fn sick() -> v1::DiagnoseResponse {
    let stuck = v1::Finding {
        lint: "stuck-waiter".into(),
        severity: v1::Severity::Error.into(),
        poller: "global".into(),
        descriptor: Some(rows::parked_reader()),
        direction: v1::Mode::Read.into(),
        since_ns: NOW_NS - 12 * SECOND_NS,
        summary: "a reader of descriptor 19 has been parked for 12.0 s although the descriptor is readable".into(),
        evidence: vec![v1::Evidence {
            name: "bytes readable".into(),
            value: "512".into(),
        }],
        advice: "read until EAGAIN before waiting again".into(),
        location: "src/server.rs:88".into(),
        ..Default::default()
    };
    let storm = v1::Finding {
        lint: "wake-storm".into(),
        severity: v1::Severity::Warning.into(),
        poller: "global".into(),
        since_ns: NOW_NS - SECOND_NS,
        summary: "5000/s breaks are written".into(),
        advice: "do not".into(),
        ..Default::default()
    };
    v1::DiagnoseResponse {
        findings: vec![stuck, storm],
        ..healthy()
    }
}

fn healthy() -> v1::DiagnoseResponse {
    v1::DiagnoseResponse {
        captured_at_ns: NOW_NS,
        lints: Lint::ALL.map(|lint| lint.name().to_owned()).into(),
        window_ns: SECOND_NS,
        epoch: 1,
        ..Default::default()
    }
}

fn serve(diagnosis: Option<v1::DiagnoseResponse>) -> (TempDir, Running, String) {
    let law = |name: &str| v1::Law {
        name: name.into(),
        statement: format!("what {name} says"),
        lhs: 1_204,
        rhs: 1_204,
        violated: false,
    };
    Running::alone(Mock {
        diagnosis,
        laws: Some(v1::AuditResponse {
            pollers: vec![v1::PollerLaws {
                poller: "global".into(),
                laws: vec![law("park"), law("arm"), law("kernel")],
            }],
            ..Default::default()
        }),
        ..Mock::new(3)
    })
}

#[test]
fn findings_are_told_in_prose_and_the_code_is_three() {
    let (scratch, _running, target) = serve(Some(sick()));
    let output = run(scratch.path(), &["-t", &target, "doctor"]);
    assert_code(&output, 3);
    let expected = "\
1. stuck-waiter (error)
             a reader of descriptor 19 has been parked for 12.0 s although the descriptor is
             readable
   where     global/42.7, descriptor 19, tcp, 10.0.0.1:8080 to 10.0.0.9:51234, registered at
             src/server.rs:41
   who waits task conn-42 on thread worker-1
   at        src/server.rs:88
   since     12.0s ago
   evidence  bytes readable: 512
   advice    read until EAGAIN before waiting again

2. wake-storm (warning)
             5000/s breaks are written
   where     poller global
   since     not known; first seen by this look, at 22:13:19 UTC
   advice    do not

   too young poller-away, woken-not-run of less than 2s; leaked-readiness, peer-not-reading,
             peer-gone, close-wait-held, accept-stalled of less than 3s; no-deadline of less than 5m
             (--hold LINT=DUR)
";
    assert_eq!(text(&output.stdout), expected);
    assert!(text(&output.stderr).contains("2 findings in"));
}

#[test]
fn a_healthy_process_is_said_to_be_and_the_code_is_zero() {
    let (scratch, _running, target) = serve(Some(healthy()));
    let output = run(scratch.path(), &["-t", &target, "doctor"]);
    assert_code(&output, 0);
    assert!(
        text(&output.stdout).starts_with("no findings in "),
        "{output:?}"
    );
    let expected = "\
lints were run, and 3 laws hold
   too young poller-away, woken-not-run of less than 2s; leaked-readiness, peer-not-reading,
             peer-gone, close-wait-held, accept-stalled of less than 3s; no-deadline of less than 5m
             (--hold LINT=DUR)
";
    let expected = format!(": {} {expected}", Lint::ALL.len());
    assert!(text(&output.stdout).ends_with(&expected), "{output:?}");
    assert!(output.stderr.is_empty());
}

#[test]
fn what_was_not_run_is_said_in_every_shape() {
    let without = v1::DiagnoseResponse {
        lints: Lint::ALL
            .into_iter()
            .filter(|lint| !lint.needs_kernel())
            .map(|lint| lint.name().to_owned())
            .collect(),
        unjudged: vec![v1::Unjudged {
            lint: "blocked-executor".into(),
            why: "/proc/self/task: Permission denied".into(),
        }],
        ..healthy()
    };
    let (scratch, _running, target) = serve(Some(without));
    let arguments = ["-t", &target, "doctor", "--kernel=never", "-f", "json"];
    let json = run(scratch.path(), &arguments);
    assert_code(&json, 0);
    let document: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(document["laws"], 3);
    let all = Lint::ALL.into_iter().filter(|lint| !lint.needs_kernel());
    let lints = document["lints"].as_array().map(Vec::len);
    assert_eq!(lints, Some(all.count()));
    let not_run = document["not_run"].as_array().expect("a list");
    let of = |check: &str| not_run.iter().find(|it| it["check"] == check);
    let ghost = of("ghost-registration").expect("it is not run");
    assert_eq!(ghost["flag"], "--kernel");
    assert_eq!(ghost["younger_than_ns"], Value::Null);
    let leaked = of("leaked-readiness").expect("it is patient");
    assert_eq!(leaked["younger_than_ns"], 3 * SECOND_NS);
    let blocked = of("blocked-executor").expect("it could not be judged");
    assert_eq!(blocked["why"], "/proc/self/task: Permission denied");
    assert_eq!(of("stuck-waiter"), None);
    for format in ["jsonl", "csv"] {
        let arguments = ["-t", &target, "doctor", "--kernel=never", "-f", format];
        let output = run(scratch.path(), &arguments);
        let said = text(&output.stderr);
        assert!(
            said.contains("ghost-registration") && said.contains("--kernel"),
            "{said}"
        );
    }
    let arguments = [
        "--allow",
        "broken-law",
        "--allow",
        "wake-storm",
        "--hold",
        "leaked-readiness=1s",
    ];
    let output = run(
        scratch.path(),
        &[&["-t", &target, "doctor"], &arguments[..]].concat(),
    );
    let said = flat(&output.stdout);
    assert!(
        said.contains("wake-storm, broken-law: left out by --allow"),
        "{said}"
    );
    assert!(!said.contains("leaked-readiness"), "{said}");
}

#[test]
fn a_broken_law_is_a_finding() {
    let (scratch, _running, target) = Running::alone(Mock {
        diagnosis: Some(healthy()),
        laws: Some(v1::AuditResponse {
            pollers: vec![v1::PollerLaws {
                poller: "shard-1".into(),
                laws: ["park", "arm"]
                    .map(|name| v1::Law {
                        name: name.into(),
                        statement: "park = all that".into(),
                        lhs: 12,
                        rhs: 11,
                        violated: true,
                    })
                    .into(),
            }],
            ..Default::default()
        }),
        ..Mock::new(3)
    });
    let output = run(scratch.path(), &["-t", &target, "doctor"]);
    assert_code(&output, 3);
    for word in [
        "broken-law (error)",
        "the law `park` is violated: park = all that",
        "poller shard-1",
        "left: 12; right: 11; difference: 1",
        "please report it",
    ] {
        assert!(flat(&output.stdout).contains(word), "{word}: {output:?}");
    }
    assert!(text(&output.stderr).contains("2 findings in"));
    let json = run(scratch.path(), &["-t", &target, "doctor", "-f", "json"]);
    assert_code(&json, 3);
    let document: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(document["items"][0]["lint"], "broken-law");
    assert_eq!(document["items"][0]["evidence"]["law"], "park");
    let allowed = run(
        scratch.path(),
        &["-t", &target, "doctor", "--allow", "broken-law"],
    );
    assert_code(&allowed, 0);
}

#[test]
fn a_process_that_cannot_check_its_laws_is_looked_at_all_the_same() {
    let (scratch, _running, target) = Running::alone(Mock {
        diagnosis: Some(healthy()),
        ..Mock::new(3)
    });
    let output = run(scratch.path(), &["-t", &target, "doctor"]);
    assert_code(&output, 0);
    let said = text(&output.stdout);
    assert!(
        said.starts_with("no findings") && !said.contains("laws hold"),
        "{said}"
    );
    // Where its lines are broken depends on the path of the socket.
    let words: Vec<_> = said.split_whitespace().collect();
    let said = words.join(" ");
    assert!(
        said.contains("broken-law") && said.contains("does not have the laws"),
        "{said}"
    );
}

#[test]
fn since_is_when_it_began_and_never_how_long_the_look_took() {
    let finding = |lint: &str, since_ns, since: v1::Since| v1::Finding {
        lint: lint.into(),
        poller: "global".into(),
        since_ns,
        since: since.into(),
        summary: "so it is".into(),
        ..Default::default()
    };
    let (scratch, _running, target) = serve(Some(v1::DiagnoseResponse {
        findings: vec![
            // Of a library that does not say so yet, and of one that does.
            finding(
                "ghost-registration",
                NOW_NS - SECOND_NS,
                v1::Since::Unspecified,
            ),
            finding("blocking-mode", NOW_NS - SECOND_NS, v1::Since::FirstSeen),
            finding(
                "duplicate-registration",
                NOW_NS - 12 * SECOND_NS,
                v1::Since::Began,
            ),
            finding(
                "overdue-deadline",
                NOW_NS - SECOND_NS,
                v1::Since::Unspecified,
            ),
        ],
        ..healthy()
    }));
    let output = run(scratch.path(), &["-t", &target, "doctor", "-f", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let items = document["items"].as_array().expect("items");
    let of = |lint: &str| items.iter().find(|it| it["lint"] == lint).expect(lint);
    for lint in ["ghost-registration", "blocking-mode"] {
        assert_eq!(of(lint)["since_ns"], Value::Null, "{lint}");
        assert_eq!(of(lint)["age_ns"], Value::Null, "{lint}");
        assert_eq!(of(lint)["first_seen_ns"], NOW_NS - SECOND_NS, "{lint}");
    }
    assert_eq!(of("duplicate-registration")["age_ns"], 12 * SECOND_NS);
    assert_eq!(of("overdue-deadline")["age_ns"], SECOND_NS);
    let prose = run(scratch.path(), &["-t", &target, "doctor"]);
    let said = text(&prose.stdout);
    assert_eq!(said.matches("since     1.0s ago").count(), 1, "{said}");
    assert_eq!(said.matches("first seen by this look").count(), 2, "{said}");
    let csv = run(scratch.path(), &["-t", &target, "doctor", "-f", "csv"]);
    let lines = text(&csv.stdout)
        .lines()
        .filter(|line| line.contains(",12000000000,"));
    assert_eq!(lines.count(), 1);
}

#[test]
fn json_is_one_document_with_the_descriptor_as_tables_have_it() {
    let (scratch, _running, target) = serve(Some(sick()));
    let output = run(scratch.path(), &["-t", &target, "doctor", "-f", "json"]);
    assert_code(&output, 3);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["schema"], "netpoller/v1/findings");
    assert_eq!(document["complete"], true);
    assert_eq!(document["target"]["pid"], 4242);
    let [stuck, storm] = &document["items"].as_array().expect("items")[..] else {
        panic!("{document:#}")
    };
    assert_eq!(stuck["lint"], "stuck-waiter");
    assert_eq!(
        (&stuck["id"], &stuck["direction"]),
        (&"42.7".into(), &"read".into())
    );
    assert_eq!(stuck["age_ns"], 12 * SECOND_NS);
    assert_eq!(stuck["evidence"]["bytes readable"], "512");
    assert_eq!(stuck["location"], "src/server.rs:88");
    assert_eq!(stuck["descriptor"]["read"]["waiter"]["task"], "conn-42");
    for field in ["id", "direction", "location", "descriptor"] {
        assert_eq!(storm[field], Value::Null, "{field}");
    }
}

#[test]
fn a_long_look_tells_of_each_fault_once() {
    let (scratch, _running, target) = serve(Some(sick()));
    for (format, lines) in [("jsonl", 2), ("csv", 3)] {
        let arguments = ["-t", &target, "doctor", "--for", "300ms", "-f", format];
        let output = run(scratch.path(), &arguments);
        assert_code(&output, 3);
        assert_eq!(
            text(&output.stdout).lines().count(),
            lines,
            "{format}: {output:?}"
        );
    }
}

#[test]
fn what_is_allowed_or_not_held_for_long_enough_is_asked_for_so() {
    let (scratch, _running, target) = serve(Some(sick()));
    let arguments = ["--allow", "wake-storm", "--hold", "stuck-waiter=1min"];
    let output = run(
        scratch.path(),
        &[&["-t", &target, "doctor"], &arguments[..]].concat(),
    );
    assert_code(&output, 0);
}

#[test]
fn a_cut_list_is_not_called_complete() {
    let cut = v1::DiagnoseResponse { more: 7, ..sick() };
    let (scratch, _running, target) = serve(Some(cut));
    let output = run(scratch.path(), &["-t", &target, "doctor", "-f", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["complete"], false);
    assert!(text(&output.stderr).contains("7 more"));
}

#[test]
fn a_number_that_no_list_can_have_is_not_repeated() {
    let absurd = v1::DiagnoseResponse {
        more: u64::MAX,
        ..sick()
    };
    let (scratch, _running, target) = serve(Some(absurd));
    let output = run(scratch.path(), &["-t", &target, "doctor"]);
    let said = text(&output.stderr);
    assert!(
        said.contains("many more") && !said.contains("1844674407"),
        "{said}"
    );
}

#[test]
fn a_process_that_is_too_old_to_be_asked_is_said_to_be() {
    let (scratch, _running, target) = serve(None);
    let output = run(scratch.path(), &["-t", &target, "doctor"]);
    assert_code(&output, 5);
    assert!(text(&output.stderr).contains("cannot diagnose itself"));
    assert!(output.stdout.is_empty());
}

#[test]
fn the_catalogue_needs_no_process() {
    let scratch = TempDir::new().expect("make a directory");
    let output = run(scratch.path(), &["doctor", "--list"]);
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("no process was asked"));
    for word in [
        "stuck-waiter (error, held for 1s)",
        "ghost-registration (warning, held for 100ms, reads the kernel's list)",
        "wake-storm (warning, over the window)",
    ] {
        assert!(
            text(&output.stdout).contains(word),
            "{word}: {}",
            text(&output.stdout)
        );
    }
    let output = run(scratch.path(), &["doctor", "--list", "-f", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let items = document["items"].as_array().expect("items");
    assert!(items.len() >= 14);
    assert!(
        items
            .iter()
            .all(|item| item["advice"].is_string() && item["hold_ns"].is_u64())
    );
}

/// A process whose library knows a lint that this command does not, and lacks one.
fn of_tomorrow() -> Mock {
    let lint = |name: &str, hold_ns| v1::Lint {
        name: name.into(),
        severity: v1::Severity::Warning.into(),
        timing: v1::Timing::Dated.into(),
        hold_ns,
        needs_kernel: false,
        help: "What nobody has thought of yet.".into(),
        advice: "think of it".into(),
    };
    let known = [
        lint("stuck-waiter", SECOND_NS),
        lint("of-tomorrow", 7 * SECOND_NS),
    ];
    Mock {
        diagnosis: Some(v1::DiagnoseResponse {
            lints: known.iter().map(|it| it.name.clone()).collect(),
            ..healthy()
        }),
        lints: known.into(),
        ..Mock::new(3)
    }
}

#[test]
fn the_lints_are_those_of_the_process_whatever_this_command_knows() {
    let (scratch, _running, target) = Running::alone(of_tomorrow());
    let run = |arguments: &[&str]| {
        run(
            scratch.path(),
            &[&["-t", &target, "doctor"], arguments].concat(),
        )
    };
    let list = run(&["--list"]);
    assert_code(&list, 0);
    let said = text(&list.stdout);
    assert!(
        said.contains("of-tomorrow (warning, held for 7s)"),
        "{said}"
    );
    assert!(
        !said.contains("lost-edge") && list.stderr.is_empty(),
        "{said}"
    );
    let json = run(&["--list", "-f", "json"]);
    let document: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(document["target"]["pid"], 4242);
    assert_eq!(document["items"][1]["lint"], "of-tomorrow");
    assert_eq!(document["items"][1]["timing"], "dated");

    let look = run(&[]);
    assert_code(&look, 0);
    let said = flat(&look.stdout);
    assert!(said.contains("of-tomorrow of less than 7s"), "{said}");
    let allowed = run(&["--allow", "of-tomorrow", "--hold", "stuck-waiter=9s"]);
    assert_code(&allowed, 0);
    let said = flat(&allowed.stdout);
    assert!(said.contains("of-tomorrow: left out by --allow"), "{said}");
    assert!(said.contains("stuck-waiter of less than 9s"), "{said}");
    // What this command knows and the process does not is nothing to fail at.
    let older = run(&["--allow", "lost-edge", "--hold", "wake-storm=2s"]);
    assert_code(&older, 0);
    let said = flat(&older.stdout);
    assert!(
        said.contains("wake-storm") && said.contains("older than this command"),
        "{said}"
    );
    let wrong = run(&["--hold", "of-tomorow=2s"]);
    assert_code(&wrong, 2);
    let said = text(&wrong.stderr);
    assert!(
        said.contains("--hold of-tomorow") && said.contains("did you mean `of-tomorrow`?"),
        "{said}"
    );
}

#[test]
fn a_process_that_does_not_say_its_lints_has_the_commands_own() {
    let (scratch, _running, target) = serve(Some(healthy()));
    let list = run(scratch.path(), &["-t", &target, "doctor", "--list"]);
    assert_code(&list, 0);
    assert!(text(&list.stdout).contains("stuck-waiter (error, held for 1s)"));
    assert!(text(&list.stderr).contains("does not say its lints"));
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let (scratch, _running, target) = serve(Some(healthy()));
    for (arguments, word) in [
        (["--allow", "stuck-writer"], "did you mean `stuck-waiter`?"),
        (["--allow", "nothing-like-it"], "broken-law"),
        (["--hold", "broken-law=1s"], "no such lint"),
        (["--hold", "stuck-waiter"], "LINT=DUR"),
        (["--hold", "stuck-waiter=soon"], "--hold"),
        (["--where", "fd=1"], "means nothing"),
    ] {
        let output = run(
            scratch.path(),
            &[&["-t", &target, "doctor"], &arguments[..]].concat(),
        );
        assert_code(&output, 2);
        assert!(
            text(&output.stderr).contains(word),
            "{}",
            text(&output.stderr)
        );
        assert!(output.stdout.is_empty());
    }
}
