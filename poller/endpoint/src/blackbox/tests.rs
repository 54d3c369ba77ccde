//! A black box is read by the blocks of its file, as the inspector does it.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use netpoller_core::Poller;
use netpoller_proto::recording::{Content, HEAD, Head, MAGIC, Pending};
use netpoller_proto::v1::Entry;
use netpoller_proto::v1::entry::Told;
use prost::Message;

use super::BlackBox;
use crate::fixture::open;

/// All that is in a file, which is undamaged, with the blocks that it is in.
#[track_caller]
pub(super) fn entries(path: &Path) -> Vec<(Content, Told)> {
    let file = fs::read(path).unwrap();
    let all = whole(&file);
    all.expect("blocks")
}

/// The same; `None` if a block is not whole, as while it is written.
fn whole(file: &[u8]) -> Option<Vec<(Content, Told)>> {
    let mut rest = file.strip_prefix(&MAGIC).expect("a recording");
    let mut all = Vec::new();
    while !rest.is_empty() {
        let head = Head::read(rest.first_chunk()?).expect("a head");
        if rest.len() < HEAD + head.stored() {
            return None;
        }
        let (stored, next) = rest[HEAD..].split_at(head.stored());
        let content = head.content(stored).expect("its content");
        for entry in Pending::entries(&content) {
            let entry = Entry::decode(entry.expect("an entry")).expect("an entry");
            all.push((head.of, entry.told.expect("one that is known")));
        }
        rest = next;
    }
    Some(all)
}

/// Waits until it is so in what is in the file; it may be written at this moment.
#[track_caller]
fn until(path: &Path, is_so: impl Fn(&[(Content, Told)]) -> bool) {
    let began = Instant::now();
    loop {
        let all = whole(&fs::read(path).unwrap()).unwrap_or_default();
        if is_so(&all) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(300), "{all:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_table_its_events_and_lines_come_into_the_file_and_its_end_when_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("box.npl");
    let poller = Poller::builder().name("boxed").build().unwrap();
    let _opened = open(&poller);
    let blackbox = BlackBox::builder()
        .interval(Duration::from_millis(100))
        .start(&path)
        .unwrap();
    assert_eq!(blackbox.path(), path);
    let rows = |all: &[(Content, Told)]| {
        let frames = all.iter().filter_map(|(_, told)| match told {
            Told::Frame(frame) => Some(frame),
            _ => None,
        });
        let rows = frames.flat_map(|frame| &frame.upserts);
        let rows = rows.filter(|row| row.poller == "boxed");
        rows.map(|row| row.slot).collect::<HashSet<_>>().len()
    };
    until(&path, |all| {
        let has = |is: fn(&Told) -> bool| all.iter().any(|(_, told)| is(told));
        rows(all) >= 1
            && has(|told| matches!(told, Told::Frame(it) if it.stats.is_some()))
            && has(|told| matches!(told, Told::Transitions(it) if !it.events.is_empty()))
            && has(|told| matches!(told, Told::Sites(it) if !it.sites.is_empty()))
            && has(|told| matches!(told, Told::Diagnosis(_)))
    });
    let _other = open(&poller);
    until(&path, |all| rows(all) >= 2);
    drop(blackbox);
    let all = entries(&path);
    assert!(matches!(
        all.first(),
        Some((Content::Keyframe, Told::Server(_)))
    ));
    assert!(
        matches!(all.last(), Some((_, Told::Ended(it))) if it.why == "the black box was closed")
    );
}

#[test]
fn without_events_and_findings_there_are_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("box.npl");
    let poller = Poller::builder().name("boxed_without").build().unwrap();
    let _opened = open(&poller);
    let blackbox = BlackBox::builder()
        .without_events()
        .without_findings()
        .start(&path)
        .unwrap();
    until(&path, |all| {
        all.iter().any(|(_, told)| matches!(told, Told::Sites(_)))
    });
    drop(blackbox);
    let all = entries(&path);
    assert!(
        !all.iter()
            .any(|(_, told)| matches!(told, Told::Transitions(_) | Told::Diagnosis(_)))
    );
}
