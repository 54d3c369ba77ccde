//! `stats`.

use crate::{json, run, stdout};
use netpoller_tests::mock::{Mock, Running};

#[test]
fn stats_show_transitions_counters_quantiles_and_laws() {
    let (scratch, _running, target) = Running::alone(Mock::new(1_500));
    let output = run(scratch.path(), &["-t", &target, "stats"]);
    let text = stdout(&output);
    for word in [
        "POLLER global",
        "ready_parked",
        "break_coalesced",
        "wake_latency",
        "P99.9",
        "LAW",
        " ok ",
        " 1 500\n",
        " 1 200\n",
    ] {
        assert!(text.contains(word), "`{word}` is missing in:\n{text}");
    }
    let document = json(&run(
        scratch.path(),
        &["-t", &target, "stats", "-f", "json"],
    ));
    let poller = &document["items"][0];
    assert_eq!(poller["poller"]["name"], "global");
    assert!(poller["transitions"]["read"]["park"].is_u64());
    assert!(poller["counters"]["opened"].is_u64());
    let histogram = &poller["histograms"][1];
    assert_eq!(histogram["name"], "wake_latency");
    assert!(histogram["p50"].as_u64() <= histogram["p99_9"].as_u64());
    assert_eq!(poller["laws"][1]["violated"], false);
}
