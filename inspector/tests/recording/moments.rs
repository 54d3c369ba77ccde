//! A recording goes on in its own time, and to its end.

use super::*;

#[test]
fn what_goes_on_goes_on_to_the_end_of_a_recording_and_no_further() {
    let process = Process::new();
    let recording = process.record("ends.npl");
    let watch = process.ask(&recording, &["watch", "-f", "jsonl"]);
    assert!(watch.status.success());
    let lines = String::from_utf8(watch.stdout).expect("UTF-8");
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(
        lines.lines().all(|line| line.contains(r#""op":"add""#)),
        "{lines}"
    );
    let never = process.ask(&recording, &["watch", "--until", "state=woken"]);
    assert_eq!(never.status.code(), Some(3));
    let top = process.ask(
        &recording,
        &["top", "-f", "csv", "--interval", "500ms", "-c", "id"],
    );
    let lines = String::from_utf8(top.stdout).expect("UTF-8");
    // A title, and three rows at the beginning, after each half second, and at the end.
    assert!(
        top.status.success() && lines.lines().count() > 3 * 4,
        "{lines}"
    );
    let events = process.ask(
        &recording,
        &["events", "--history", "-f", "jsonl", "-k", "park"],
    );
    assert!(events.status.success());
    assert_eq!(String::from_utf8_lossy(&events.stdout).lines().count(), 3);
    process.end();
}

#[test]
fn a_moment_that_the_recording_does_not_have_is_refused_with_those_that_it_has() {
    let process = Process::new();
    let recording = process.record("short.npl");
    for within in ["0s", "-1s", "+1s"] {
        let output = process.ask(&recording, &["ls", "--at", within]);
        assert!(output.status.success(), "{within}");
    }
    for outside in ["1h", "-1h", "2001-01-01T00:00:00Z"] {
        let output = process.ask(&recording, &["ls", "--at", outside]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("the recording is of"), "{error}");
    }
    let output = process.ask(process.endpoint.target(), &["ls", "--at", "1s"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("file:PATH"), "{error}");
    process.end();
}

#[test]
fn a_while_of_a_recording_is_of_its_own_time() {
    let process = Process::new();
    let poller = Poller::builder().name("ticking").build().expect("a poller");
    let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ticking = std::thread::spawn({
        let is_over = std::sync::Arc::clone(&is_over);
        move || {
            let order = std::sync::atomic::Ordering::Relaxed;
            block_on_poller(&poller, async {
                while !is_over.load(order) {
                    netpoller::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
    });
    let recording = process.record("ticking.npl");
    is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    ticking.join().expect("it ends");
    let moments = |arguments: &[&str]| -> Vec<u64> {
        let output = process.ask(&recording, arguments);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let events = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let moments = events.map(|event: Value| event["at_ns"].as_u64().expect("a moment"));
        moments.collect()
    };
    let all = moments(&["events", "-f", "jsonl"]);
    let some = moments(&["events", "-f", "jsonl", "--for", "500ms"]);
    let begins = process.json(&recording, &["ls", "--at", "0s"])["captured_at_ns"].take();
    let ends = begins.as_u64().expect("a moment") + 500_000_000;
    let expected: Vec<u64> = all.iter().copied().filter(|at| *at <= ends).collect();
    assert!(
        some.len() > 1 && some.len() < all.len(),
        "{} of {}",
        some.len(),
        all.len()
    );
    assert_eq!(some, expected);
    process.end();
}
