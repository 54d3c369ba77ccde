//! What filters say of a row.

use std::sync::Arc;

use crate::fixture;
use crate::query::Query;
use crate::table::{descriptors, waiters};

fn admits(filter: &str) -> bool {
    let query: Query = filter
        .parse()
        .unwrap_or_else(|error| panic!("{filter}: {error}"));
    query.admits(
        &descriptors(vec![Arc::new(fixture::parked_reader())])[0],
        fixture::NOW_NS,
    )
}

#[test]
fn a_parked_reader_is_found_by_what_is_seen_of_it() {
    for filter in [
        "state=parked && since>5s && kind=tcp",
        "state = ready",
        "rd=parked && wr=ready",
        "read.state != nil",
        "fd=19",
        "fd in (18, 19)",
        "kind in (udp,tcp)",
        "peer~10.0.0.9 || peer ~ nowhere",
        "!(state=wait)",
        "state=parked and since>5s AND (kind=udp or fd=19)",
        "not state=wait and not (kind=udp or not kind=tcp)",
        "fd>1KiB or fd<1k",
        "label!=and and label != or",
        "deadline<20s && deadline>-1s",
        "edges>=1k",
        "task=conn-42",
        "where~server.rs:88",
        "id=42.7",
        "closing=false",
        "label!='the one'",
    ] {
        assert!(admits(filter), "{filter}");
    }
}

#[test]
fn it_is_not_found_by_what_is_not_so() {
    for filter in [
        "state=wait",
        "state!=parked",
        "since>1min",
        "fd<19",
        "kind!=tcp",
        "peer!~10.",
        "!fd=19",
        "edges>2k",
    ] {
        assert!(!admits(filter), "{filter}");
    }
}

#[test]
fn what_is_not_there_compares_with_nothing() {
    let mut row = fixture::parked_reader();
    for side in [&mut row.read, &mut row.write] {
        side.as_mut().expect("a direction").deadline_ns = 0;
    }
    let entry = &descriptors(vec![Arc::new(row)])[0];
    for (filter, wanted) in [
        ("deadline<1h", false),
        ("deadline>1ns", false),
        ("deadline!=5s", true),
    ] {
        let query: Query = filter.parse().expect(filter);
        assert_eq!(query.admits(entry, fixture::NOW_NS), wanted, "{filter}");
    }
}

#[test]
fn a_waiter_has_the_state_of_its_own_direction() {
    let rows = waiters(vec![Arc::new(fixture::parked_reader())]);
    let query: Query = "state=ready || dir=write".parse().expect("a filter");
    assert!(!query.admits(&rows[0], fixture::NOW_NS));
}

#[test]
fn a_slip_is_answered_with_what_was_meant() {
    for (filter, hint) in [
        ("sinse>5s", "did you mean `since`?"),
        ("state=parkd", "did you mean `parked`?"),
        ("kind=tpc", "did you mean `tcp`?"),
        ("since>5 parsecs", "no duration"),
        ("fd=many", "no number"),
        ("fd>4MIB", "4MiB"),
        ("fd>9223372036854775807k", "no number"),
        ("and fd=1", "no field is called `and`"),
        ("fd=1 and", "missing"),
        ("not", "missing"),
        ("kind<tcp", "has no order"),
        ("fd~1", "is not text"),
        ("fd=1 fd=2", "join comparisons"),
        ("(fd=1", "not closed"),
        ("label='x", "not closed"),
        ("fd", "compared with something"),
        ("fd=", "missing"),
        ("", "missing"),
        ("fd in 1", "write the list"),
        ("|", "means nothing"),
    ] {
        let error = filter.parse::<Query>().expect_err(filter);
        assert!(error.contains(hint), "{filter}: {error}");
    }
    let deep = format!("{}fd=1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(
        deep.parse::<Query>()
            .expect_err("too deep")
            .contains("too deeply")
    );
}
