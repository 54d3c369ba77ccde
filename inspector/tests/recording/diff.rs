//! `netpoller diff`.

use super::*;

#[test]
fn what_has_changed_is_told_between_two_moments_two_recordings_and_a_recording_and_now() {
    let mut process = Process::new();
    let first = process.record("before.npl");
    let nothing = process.ask(&first, &["diff", "@500ms"]);
    let text = String::from_utf8_lossy(&nothing.stdout);
    assert!(nothing.status.success(), "{text}");
    assert!(
        !text.contains("DESCRIPTORS") && !text.contains("BY LINE"),
        "{text}"
    );

    // One of them is closed.
    let gone = process.items(&first, &["ls", "-w", "label~' 0$'"])[0]["id"].take();
    process.peers.remove(0);
    process.readers.remove(0).join().expect("it ends");
    let second = process.record("after.npl");
    let live = process.endpoint.target().to_owned();
    for after in [&second, &live] {
        let told = process.json(&first, &["diff", "--no-doctor", &first, after]);
        assert_eq!(told["same_process"], true, "{told}");
        let items = told["items"].as_array().expect("items");
        let descriptors: Vec<&Value> = items
            .iter()
            .filter(|it| it["what"] == "descriptor")
            .collect();
        let [closed] = descriptors[..] else {
            panic!("one was closed: {told}");
        };
        assert_eq!(closed["change"], "closed");
        assert_eq!(
            (&closed["before"]["id"], &closed["after"]),
            (&gone, &Value::Null)
        );
        let lines: Vec<i64> = ["waiting", "open"]
            .iter()
            .flat_map(|group| items.iter().filter(move |it| it["group"] == *group))
            .filter_map(|it| it["change"].as_i64())
            .collect();
        assert_eq!(lines, [-1, -1], "{told}");
    }
    let text = process.ask(&first, &["diff", "--no-doctor", &first, &second]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("0 opened, 1 closed, 0 changed"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    // A moment alone is of the recording that was named before it, whatever the target is.
    let begins = format!("{second}@0s");
    let within = process.ask(&live, &["diff", "--no-doctor", &begins, "@-100ms"]);
    let text = String::from_utf8_lossy(&within.stdout);
    let names = |line: &&str| line.contains("after.npl");
    assert_eq!(text.lines().filter(names).count(), 2, "{text}");

    for (target, arguments, reason) in [
        (&live, &["diff", "@500ms"][..], "a moment is of a recording"),
        (&first, &["diff", "@500ms", "@500ms"], "both are the same"),
        (&first, &["diff", "@soon"], "before its end, as -10s"),
        (&first, &["diff", "@1h"], "the recording is of"),
    ] {
        let output = process.ask(target, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(reason), "{error}");
    }
    process.end();
}
