//! Recordings that are whole, cut and damaged, held against what was written.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use netpoller_proto::recording::{Content, Head, MAGIC, Pending, at_ns};
use netpoller_proto::v1::entry::Told;
use netpoller_proto::v1::{
    Descriptor, Event, EventKind, TransitionsFrame, WatchFrame, WatchRequest,
    WatchTransitionsRequest,
};
use proptest::prelude::*;
use tokio_stream::StreamExt;

use super::entries;
use super::events::{Wanted, between, last};
use super::moment::Moment;
use super::past::Past;
use super::streams;
use super::writer::Writer;
use crate::fixture;
use crate::model::Model;
use crate::source::cursor::Cursor;

const SECOND: u64 = 1_000_000_000;

/// The key of a row, and since when its reader waits.
type Rows = BTreeMap<String, u64>;

fn rows<'a>(rows: impl IntoIterator<Item = &'a Arc<Descriptor>>) -> Rows {
    let side = |row: &Descriptor| row.read.as_ref().map_or(0, |it| it.since_ns);
    rows.into_iter().map(|row| (row.key(), side(row))).collect()
}

/// A table that changes for so many seconds: a recording of it, and how it was at each moment.
fn written(seconds: u64) -> (Vec<u8>, BTreeMap<u64, Rows>) {
    let mut truth = BTreeMap::new();
    let mut table: BTreeMap<String, Arc<Descriptor>> = BTreeMap::new();
    let mut file = Vec::new();
    let server = fixture::server(3, fixture::NOW_NS);
    let mut writer = Writer::new(&mut file, server).expect("written to memory");
    for sequence in 0..seconds {
        let at_ns = fixture::NOW_NS + sequence * SECOND;
        let slot = u32::try_from(sequence % 7).expect("small");
        let mut row = fixture::row(slot, at_ns);
        row.generation = u32::try_from(sequence).expect("small");
        let removes: Vec<String> = match sequence % 3 {
            0 => Vec::new(),
            _ => table.keys().next().cloned().into_iter().collect(),
        };
        for key in &removes {
            table.remove(key);
        }
        table.insert(row.key(), Arc::new(row.clone()));
        truth.insert(at_ns, rows(table.values()));
        let frame = WatchFrame {
            sequence,
            captured_at_ns: at_ns,
            epoch: 1,
            keyframe: sequence == 0,
            upserts: vec![row.clone()],
            removes,
            stats: (sequence % 10 == 0).then(|| fixture::stats(3, at_ns, sequence)),
            end: true,
            ..WatchFrame::default()
        };
        writer.frame(frame).expect("written");
        let event = Event {
            at_ns,
            poller: row.poller.clone(),
            id: row.id().to_string(),
            kind: EventKind::Park.into(),
            ..Event::default()
        };
        let events = TransitionsFrame {
            captured_at_ns: at_ns,
            events: vec![event],
            ..TransitionsFrame::default()
        };
        writer.transitions(events).expect("written");
        if sequence % 10 == 3 {
            writer
                .sites(fixture::sites(at_ns, sequence))
                .expect("written");
        }
        if sequence % 5 == 4 {
            writer.flush().expect("written");
        }
    }
    writer.finish("its time is over").expect("written");
    drop(writer);
    (file, truth)
}

/// A block with one entry.
fn block(of: Content, told: Told) -> Vec<u8> {
    let moments = [at_ns(&told); 2].into();
    let mut pending = Pending::new(of);
    entries::put(told, moments, &mut pending);
    let block = pending.take(Content::Changes).expect("written");
    block.expect("an entry").0
}

fn past(file: Vec<u8>) -> Result<Arc<Past>, String> {
    Past::of(Box::new(file)).map(Arc::new)
}

/// Whatever is told of a moment is what was so at the moment of which it is told.
#[track_caller]
fn assert_true(moment: &Moment, truth: &BTreeMap<u64, Rows>) {
    let of = moment.model.captured_at_ns;
    let told = rows(moment.model.rows.values());
    match truth.get(&of) {
        Some(true_rows) => assert_eq!(&told, true_rows, "at {of}"),
        None => assert!(told.is_empty(), "nothing was known at {of}"),
    }
}

#[test]
fn each_moment_is_as_it_was_forth_and_back() {
    let (file, truth) = written(200);
    let past = past(file).expect("a recording");
    assert!(past.missing.is_empty(), "{:?}", past.missing);
    assert_eq!(past.ended, "its time is over");
    assert_eq!(past.begins_at_ns, fixture::NOW_NS);
    assert_eq!(past.ends_at_ns, fixture::NOW_NS + 199 * SECOND);
    let keyframes = past
        .blocks(0)
        .iter()
        .filter(|it| it.head.of == Content::Keyframe)
        .count();
    assert_eq!(keyframes, 4, "one a minute");
    let mut moment = Moment::first(Arc::clone(&past));
    let jumps = [0, 1, 2, 100, 99, 199, 30, 31, 61, 60, 59, 121, 5, 198];
    for second in (0..200).chain(jumps).chain((50..130).rev()) {
        // Between two groups it is as it was at the first.
        moment.go(fixture::NOW_NS + second * SECOND + SECOND / 2);
        assert_eq!(
            moment.model.captured_at_ns,
            fixture::NOW_NS + second * SECOND
        );
        assert_true(&moment, &truth);
        let stats = moment.model.stats.as_ref().expect("statistics");
        assert_eq!(
            stats.captured_at_ns,
            fixture::NOW_NS + second / 10 * 10 * SECOND
        );
        if second > 3 {
            let sites = moment.sites.as_ref().expect("open sites");
            let asked = (second - 3) / 10 * 10 + 3;
            assert_eq!(sites.captured_at_ns, fixture::NOW_NS + asked * SECOND);
        }
    }
}

#[test]
fn events_are_those_that_happened_between_two_moments() {
    let (file, _) = written(100);
    let past = past(file).expect("a recording");
    let all = Wanted::default();
    let between = |from: u64, until: u64, wanted: &Wanted| {
        let span = (
            fixture::NOW_NS + from * SECOND,
            fixture::NOW_NS + until * SECOND,
        );
        between(&past, span, wanted)
            .flat_map(|it| it.events)
            .count()
    };
    assert_eq!(between(0, 99, &all), 100);
    assert_eq!(between(10, 12, &all), 3);
    let one = fixture::row(4, fixture::NOW_NS);
    assert_eq!(between(0, 99, &Wanted::of(&one.poller, "4.11")), 1);
    assert_eq!(between(0, 10, &Wanted::of(&one.poller, "4.11")), 0);
    assert_eq!(between(0, 99, &Wanted::of("another", "")), 0);
}

fn happened(at_ns: u64) -> Event {
    Event {
        at_ns,
        kind: EventKind::Park.into(),
        ..Event::default()
    }
}

/// A recording of a table, and of these events: when they were told, and when they happened.
fn told(frames: &[(u64, &[u64])]) -> Arc<Past> {
    let mut file = Vec::new();
    let server = fixture::server(3, fixture::NOW_NS);
    let mut writer = Writer::new(&mut file, server).expect("written to memory");
    let table = |seconds| WatchFrame {
        sequence: seconds,
        captured_at_ns: fixture::NOW_NS + seconds * SECOND,
        epoch: 1,
        keyframe: seconds == 0,
        upserts: vec![fixture::row(
            u32::try_from(seconds).expect("small"),
            fixture::NOW_NS,
        )],
        end: true,
        ..WatchFrame::default()
    };
    writer.frame(table(0)).expect("written");
    for (seconds, events) in frames {
        let frame = TransitionsFrame {
            captured_at_ns: fixture::NOW_NS + seconds * SECOND,
            events: events
                .iter()
                .map(|at| happened(fixture::NOW_NS + at * SECOND))
                .collect(),
            ..TransitionsFrame::default()
        };
        writer.frame(table(*seconds)).expect("written");
        writer.transitions(frame).expect("written");
        writer.flush().expect("written");
    }
    drop(writer);
    past(file).expect("a recording")
}

#[test]
fn events_are_found_that_happened_before_the_first_frame_of_their_block_was_told() {
    // As at the beginning, where what the process still held is told.
    let past = told(&[(10, &[0, 8, 9]), (20, &[18, 19]), (30, &[29])]);
    let all = Wanted::default();
    let seconds = |events: &[Event]| -> Vec<u64> {
        let of = |it: &Event| (it.at_ns - fixture::NOW_NS) / SECOND;
        events.iter().map(of).collect()
    };
    let until = |from: u64, until: u64| -> Vec<u64> {
        let span = (
            fixture::NOW_NS + from * SECOND,
            fixture::NOW_NS + until * SECOND,
        );
        let frames = between(&past, span, &all);
        seconds(&frames.flat_map(|it| it.events).collect::<Vec<_>>())
    };
    assert_eq!(until(0, 8), [0, 8]);
    assert_eq!(until(9, 18), [9, 18]);
    assert_eq!(until(19, 25), [19]);
    let last = |at: u64| seconds(&last(&past, fixture::NOW_NS + at * SECOND, &all));
    assert_eq!(last(8), [0, 8]);
    assert_eq!(last(18), [0, 8, 9, 18]);
    assert_eq!(last(40), [0, 8, 9, 18, 19, 29]);
}

#[test]
fn events_are_found_whose_block_says_when_they_were_told() {
    let (mut file, _) = written(1);
    // So did the first writers.
    for (told, events) in [(10, [8, 9]), (20, [18, 19])] {
        let at_ns = fixture::NOW_NS + told * SECOND;
        let frame = TransitionsFrame {
            captured_at_ns: at_ns,
            events: events
                .map(|at| happened(fixture::NOW_NS + at * SECOND))
                .into(),
            ..TransitionsFrame::default()
        };
        file.extend(block(Content::Events, Told::Transitions(frame)));
    }
    let past = past(file).expect("a recording");
    let wanted = Wanted::default();
    for (at, count) in [(8, 1), (9, 2), (18, 3), (40, 4)] {
        let at_ns = fixture::NOW_NS + at * SECOND;
        let happened = between(&past, (fixture::NOW_NS + SECOND, at_ns), &wanted);
        assert_eq!(happened.flat_map(|it| it.events).count(), count, "{at}");
        // And the one that was there before.
        assert_eq!(last(&past, at_ns, &wanted).len(), count + 1, "{at}");
    }
}

/// A recording in which more and more is lost.
fn losses() -> Arc<Past> {
    let mut file = Vec::new();
    let server = fixture::server(3, fixture::NOW_NS);
    let mut writer = Writer::new(&mut file, server).expect("written to memory");
    let frame = |sequence: u64, lost, events: &[u64]| TransitionsFrame {
        sequence,
        captured_at_ns: fixture::NOW_NS + sequence * SECOND,
        events: events.iter().map(|at| happened(*at)).collect(),
        lost,
        ..TransitionsFrame::default()
    };
    writer
        .frame(WatchFrame {
            captured_at_ns: fixture::NOW_NS,
            keyframe: true,
            end: true,
            ..WatchFrame::default()
        })
        .expect("written");
    for frame in [
        frame(0, 0, &[fixture::NOW_NS]),
        frame(1, 3, &[]),
        frame(2, 3, &[fixture::NOW_NS + 2 * SECOND]),
        frame(3, 7, &[fixture::NOW_NS + 3 * SECOND]),
    ] {
        writer.transitions(frame).expect("written");
    }
    writer.flush().expect("written");
    drop(writer);
    past(file).expect("a recording")
}

#[test]
fn what_was_lost_is_told_though_nothing_that_is_wanted_happened() {
    let past = losses();
    let lost = |until: u64, wanted: &Wanted| -> Vec<(u64, usize)> {
        let frames = between(&past, (0, fixture::NOW_NS + until * SECOND), wanted);
        frames.map(|it| (it.lost, it.events.len())).collect()
    };
    let all = Wanted::default();
    assert_eq!(lost(9, &all), [(0, 1), (3, 0), (3, 1), (7, 1)]);
    assert_eq!(lost(9, &Wanted::of("another", "")), [(3, 0), (7, 0)]);
    assert_eq!(lost(1, &Wanted::of("another", "")), [(3, 0)]);
}

#[tokio::test]
async fn losses_count_from_where_a_part_begins() {
    let past = losses();
    let span = (past.begins_at_ns, past.ends_at_ns);
    for (from, told) in [(None, vec![0, 3, 3, 7]), (Some(2), vec![0, 4])] {
        let at_ns = from.map(|from| fixture::NOW_NS + from * SECOND);
        let cursor = Arc::new(Cursor::new(span.0, span.1, at_ns));
        let request = WatchTransitionsRequest::default();
        let frames = streams::events(&past, &cursor, &request).expect("a stream");
        let lost = frames.map(|frame| frame.expect("a frame").lost);
        assert_eq!(lost.collect::<Vec<_>>().await, told);
    }
}

#[test]
fn the_table_changes_though_events_of_the_same_time_come_later() {
    let mut file = Vec::new();
    let server = fixture::server(3, fixture::NOW_NS);
    let mut writer = Writer::new(&mut file, server).expect("written to memory");
    for (sequence, slot) in [(0, 4), (2, 5)] {
        writer
            .frame(WatchFrame {
                sequence,
                captured_at_ns: fixture::NOW_NS + sequence * SECOND,
                keyframe: sequence == 0,
                upserts: vec![fixture::row(slot, fixture::NOW_NS)],
                end: true,
                ..WatchFrame::default()
            })
            .expect("written");
        let frame = TransitionsFrame {
            captured_at_ns: fixture::NOW_NS + (sequence + 1) * SECOND,
            events: vec![happened(fixture::NOW_NS + (sequence + 1) * SECOND)],
            ..TransitionsFrame::default()
        };
        writer.transitions(frame).expect("written");
        writer.flush().expect("written");
    }
    drop(writer);
    let past = self::past(file).expect("a recording");
    let mut moment = Moment::first(Arc::clone(&past));
    moment.go(fixture::NOW_NS + 2 * SECOND + SECOND / 2);
    assert_eq!(moment.model.rows.len(), 2);
}

#[test]
fn a_recording_is_no_larger_than_it_may_be_and_true_up_to_there() {
    let letters = |seed: u64| -> String {
        let letter = |at: u32| {
            let noise = seed
                .wrapping_add(u64::from(at))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            char::from(b'a' + u8::try_from(noise >> 60).expect("small"))
        };
        (0..60).map(letter).collect()
    };
    let written = |most: u64| {
        let mut file = Vec::new();
        let server = fixture::server(3, fixture::NOW_NS);
        let writer = Writer::new(&mut file, server).expect("written to memory");
        let mut writer = writer.of_at_most(most);
        let mut seconds = 0;
        while !writer.is_full() {
            let at_ns = fixture::NOW_NS + seconds * SECOND;
            let row = |slot: u32| Descriptor {
                label: letters(seconds * 1_000 + u64::from(slot)),
                ..fixture::row(slot, at_ns)
            };
            let frame = WatchFrame {
                sequence: seconds,
                captured_at_ns: at_ns,
                epoch: 1,
                keyframe: seconds == 0,
                upserts: (0..20).map(row).collect(),
                end: true,
                ..WatchFrame::default()
            };
            writer.frame(frame).expect("written");
            let events = TransitionsFrame {
                captured_at_ns: at_ns,
                events: vec![happened(at_ns); 100],
                ..TransitionsFrame::default()
            };
            writer.transitions(events).expect("written");
            if seconds % 2 == 1 {
                writer.flush().expect("written");
            }
            seconds += 1;
        }
        writer
            .finish(&"no more room ".repeat(1_000))
            .expect("written");
        drop(writer);
        assert!(file.len() as u64 <= most, "{} of {most}", file.len());
        // A little more, and the same could have been told.
        assert!(file.len() as u64 > most / 2, "{} of {most}", file.len());
        past(file).expect("a recording")
    };
    for most in [16 << 10, 64 << 10, 65 << 10, 200 << 10] {
        let past = written(most);
        assert!(past.ended.starts_with("no more room"));
        let mut moment = Moment::first(Arc::clone(&past));
        moment.go(past.ends_at_ns);
        assert_eq!(moment.model.captured_at_ns, past.ends_at_ns);
        assert_eq!(moment.model.rows.len(), 20);
    }
}

#[test]
fn a_table_of_which_the_end_is_missing_leaves_the_one_before() {
    let (file, truth) = written(70);
    let whole = past(file.clone()).expect("a recording");
    let mut blocks = whole.blocks(0).iter().rev();
    let last = blocks.find(|it| it.head.of == Content::Keyframe);
    let begin = usize::try_from(last.expect("a table").begin()).expect("small");
    let mut cut = file[..begin].to_vec();
    // The first of its pieces, and no more.
    let piece = WatchFrame {
        sequence: 0,
        captured_at_ns: fixture::NOW_NS + 60 * SECOND,
        epoch: 1,
        keyframe: true,
        ..WatchFrame::default()
    };
    cut.extend(block(Content::Keyframe, Told::Frame(piece)));
    let past = past(cut).expect("a recording");
    let mut moment = Moment::first(Arc::clone(&past));
    for second in [69, 3, 61, 59, 69] {
        moment.go(fixture::NOW_NS + second * SECOND);
        assert_true(&moment, &truth);
        assert!(!moment.model.rows.is_empty(), "{second}");
    }
}

#[test]
fn a_table_that_cannot_be_read_hides_none_that_comes_later() {
    let (file, truth) = written(5);
    let damaged = |content: &[u8]| {
        let span = (fixture::NOW_NS, fixture::NOW_NS);
        let block = Head::block(Content::Keyframe, span, content).expect("written");
        let (begin, rest) = file.split_at(MAGIC.len());
        [begin, &block, rest].concat()
    };
    let past = past(damaged(b"\x03no entry")).expect("a recording");
    assert_eq!(past.begins_at_ns, fixture::NOW_NS);
    let mut moment = Moment::first(Arc::clone(&past));
    moment.go(past.ends_at_ns);
    assert_true(&moment, &truth);
}

#[test]
fn a_recording_that_is_cut_says_so_and_is_true_up_to_there() {
    let (file, truth) = written(20);
    let mut opened = 0;
    // Each head of a block from its first byte on, and the middle of contents here and there.
    let heads = (0..file.len()).filter(|at| file[*at..].starts_with(b"\xf1npb"));
    let near = heads.flat_map(|head| [head, head + 1, head + 39, head + 40, head + 41]);
    let lengths: Vec<usize> = near.chain((0..file.len()).step_by(211)).collect();
    for length in lengths.iter().copied().filter(|it| *it < file.len()) {
        let Ok(past) = past(file[..length].to_vec()) else {
            continue;
        };
        opened += 1;
        assert!(!past.missing.is_empty(), "{length}");
        assert!(past.ended.is_empty());
        let mut moment = Moment::first(Arc::clone(&past));
        assert_true(&moment, &truth);
        moment.go(past.ends_at_ns);
        assert_true(&moment, &truth);
    }
    assert!(opened > lengths.len() / 2, "{opened} of {}", lengths.len());
}

#[test]
fn what_is_no_recording_is_refused_with_the_reason() {
    for (bytes, reason) in [
        (&b""[..], "begins with something else"),
        (b"netpol", "begins with something else"),
        (
            b"\x7fELF\x02\x01\x01\x00 and so on",
            "begins with something else",
        ),
        (b"netpoll\x02", "its version is 2"),
        (b"netpoll\x01", "nowhere in it is a whole table"),
    ] {
        let refused = past(bytes.to_vec()).expect_err("it is none");
        assert!(refused.contains(reason), "{refused}");
    }
}

#[tokio::test]
async fn what_goes_on_follows_a_cursor_that_is_held() {
    let (file, truth) = written(20);
    let past = past(file).expect("a recording");
    let cursor = Arc::new(Cursor::new(past.begins_at_ns, past.ends_at_ns, None));
    cursor.hold();
    let request = WatchRequest::default();
    let mut frames = streams::table(&past, &cursor, &request).expect("a stream");
    let mut model = Model::default();
    for second in [19, 3, 4, 11] {
        let at_ns = fixture::NOW_NS + second * SECOND;
        cursor.go(at_ns);
        while model.captured_at_ns != at_ns {
            let frame = frames.next().await.expect("it goes on").expect("a frame");
            model.apply(frame);
        }
        assert_eq!(Some(&rows(model.rows.values())), truth.get(&at_ns));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Bytes that have changed cost some of the recording, and what is left is true.
    #[test]
    fn a_recording_that_is_damaged_does_not_lie(
        damages in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..=255), 1..4),
        looks in proptest::collection::vec(0_u64..130, 1..8),
    ) {
        static WRITTEN: LazyLock<(Vec<u8>, BTreeMap<u64, Rows>)> = LazyLock::new(|| written(130));
        let (mut file, truth) = WRITTEN.clone();
        for (at, bits) in damages {
            let at = at.index(file.len() - 8) + 8;
            file[at] ^= bits;
        }
        // The whole of what was known may be damaged.
        if let Ok(past) = past(file) {
            prop_assert!(!past.missing.is_empty());
            let mut moment = Moment::first(Arc::clone(&past));
            for second in looks {
                moment.go(fixture::NOW_NS + second * SECOND);
                assert_true(&moment, &truth);
            }
        }
    }
}
