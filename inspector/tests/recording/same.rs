//! What a recording answers is what the process did.

use netpoller_tests::eventually;

use super::*;

#[test]
fn a_recording_answers_as_the_process_did() {
    let process = Process::new();
    let live = process.endpoint.target();
    let recording = process.record("still.npl");
    for arguments in [
        &["ls"][..],
        &["ls", "waiters"],
        &["ls", "waiters", "--where", "task=reader and since<1h"],
        &["ls", "deadlines"],
        &["ls", "pollers"],
        &["ls", "--sort", "poller:desc", "-n", "2"],
        &["ls", "--columns", "id,label,task,since"],
        &["audit"],
        &["events", "--dump"],
        &["describe", "still_0/0.1", "still_2/0.1"],
    ] {
        let (mut then, mut now) = (
            process.items(&recording, arguments),
            process.items(live, arguments),
        );
        // What the kernel says of a registration is asked of it, and of it alone.
        for item in then.iter_mut().chain(&mut now) {
            without_time(item);
            if let Some(fields) = item.as_object_mut() {
                fields.remove("kernel");
            }
        }
        assert!(
            !now.is_empty() || arguments.contains(&"deadlines"),
            "{arguments:?}"
        );
        assert_eq!(then, now, "{arguments:?}");
    }
    process.end();
}

#[test]
fn statistics_leaks_and_diagnoses_are_recorded_too() {
    let process = Process::new();
    let live = process.endpoint.target();
    // A diagnosis takes a second, and longer where others have the processors.
    let recording = eventually("a recording with a diagnosis", || {
        let recording = process.record("all.npl");
        let doctor = process.ask(&recording, &["doctor"]);
        doctor.status.success().then_some(recording)
    });
    let counts = |target: &str| {
        let stats = process.items(target, &["stats"]);
        let of = |it: &Value| {
            (
                it["poller"].clone(),
                it["read"].clone(),
                it["histograms"].clone(),
            )
        };
        stats.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(counts(&recording), counts(live));
    let sites = |target: &str| {
        let leaks = process.items(target, &["leaks", "--interval", "100ms"]);
        let of = |it: &Value| (it["site"].clone(), it["live"].clone(), it["opened"].clone());
        leaks.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(sites(&recording), sites(live));
    let doctor = process.ask(&recording, &["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(
        said.contains("no findings") && said.contains("laws hold"),
        "{said}"
    );
    let hist = process.items(&recording, &["hist", "--interval", "1s"]);
    assert!(hist.iter().all(|it| {
        it["interval_ns"]
            .as_u64()
            .is_some_and(|it| it > 900_000_000)
    }));
    process.end();
}
