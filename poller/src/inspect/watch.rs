//! The stream of the table: a keyframe, then what has changed since the group before.
//!
//! Each subscriber has a task and its own memory of what he was told. The next group is made when the one before was
//! taken, so a slow client gets fewer groups, and is told how many were skipped; nothing queues up for him.

use std::collections::HashMap;
use std::time::Duration;

use netpoller_proto::filter::Predicate;
use netpoller_proto::v1::{Descriptor, GetStatsResponse, WatchFrame, WatchRequest};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::find::pollers;
use super::page::Filter;
use super::service::{MAX_MESSAGE, guarded};
use super::stats::Reading;
use crate::poller::Poller;
use crate::view::{self, Auditor, RawRow, Reader};

/// The interval if none is asked for, and the shortest.
const INTERVAL: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(100);
/// Bytes of the rows in a frame; the rest of the message is for what surrounds them.
const MAX_ROWS: usize = MAX_MESSAGE - 4096;
/// A client that takes no frame for so long gets no more.
const STALLED: Duration = Duration::from_secs(30);

pub(super) fn start(
    request: WatchRequest,
    filter: Option<Predicate>,
    redact: bool,
) -> ReceiverStream<Result<WatchFrame, Status>> {
    let (frames, stream) = mpsc::channel(1);
    tokio::spawn(async move {
        run(Watcher::new(request, filter, redact), frames).await;
    });
    ReceiverStream::new(stream)
}

async fn run(mut watcher: Watcher, frames: mpsc::Sender<Result<WatchFrame, Status>>) {
    let mut next = Instant::now();
    let mut lost = 0;
    loop {
        let group = match guarded(|| watcher.group(lost)) {
            Ok(group) => group,
            Err(status) => {
                let _ = frames.send(Err(status)).await;
                return;
            }
        };
        for frame in group {
            if !matches!(timeout(STALLED, frames.send(Ok(frame))).await, Ok(Ok(()))) {
                return;
            }
        }
        next += watcher.interval;
        lost = skipped(next, Instant::now(), watcher.interval);
        next += watcher.interval * lost;
        tokio::select! {
            () = sleep_until(next) => {}
            () = frames.closed() => return,
        }
    }
}

/// How many groups were due before the one that comes now.
fn skipped(next: Instant, now: Instant, interval: Duration) -> u32 {
    let late = now.saturating_duration_since(next).as_nanos();
    u32::try_from(late / interval.as_nanos()).unwrap_or(u32::MAX)
}

/// What one subscriber was told.
struct Watcher {
    poller: String,
    filter: Filter,
    redact: bool,
    stats: bool,
    interval: Duration,
    sequence: u64,
    reader: Reader,
    /// By poller and slot.
    rows: HashMap<(u32, u32), Told>,
    names: HashMap<u32, String>,
    auditors: HashMap<u32, Auditor>,
    /// The statistics of the group before.
    stats_before: Option<Reading>,
}

struct Told {
    row: RawRow,
    /// The group in which it was seen last.
    seen: u64,
    /// The filter held for it then, so the subscriber knows it.
    shown: bool,
}

impl Watcher {
    fn new(request: WatchRequest, filter: Option<Predicate>, redact: bool) -> Self {
        let interval = match request.interval_ns {
            0 => INTERVAL,
            ns => Duration::from_nanos(ns).max(SHORTEST),
        };
        Self {
            poller: request.poller,
            filter: Filter::new(filter),
            redact,
            stats: request.stats,
            interval,
            sequence: 0,
            reader: Reader::default(),
            rows: HashMap::new(),
            names: HashMap::new(),
            auditors: HashMap::new(),
            stats_before: None,
        }
    }

    fn group(&mut self, lost: u32) -> Vec<WatchFrame> {
        let mut group = Group::new(self.sequence, lost.into());
        self.reader.begin();
        // A poller that is gone leaves an empty table behind.
        let pollers = pollers(&self.poller).unwrap_or_default();
        for poller in &pollers {
            self.sweep(poller, &mut group);
        }
        self.remove_unseen(&mut group);
        self.sequence += 1;
        let stats = self.stats.then(|| self.statistics(&pollers));
        group.finish(stats)
    }

    fn sweep(&mut self, poller: &Poller, group: &mut Group) {
        let id = poller.shared.id;
        self.names
            .entry(id)
            .or_insert_with(|| poller.name().to_owned());
        for desc in poller.shared.cache.iter_from(0) {
            let Some(row) = RawRow::read(desc) else {
                continue;
            };
            let before = self.rows.get_mut(&(id, row.slot));
            if let Some(before) = before
                && before.row == row
                && !self.filter.depends_on_time()
            {
                before.seen = self.sequence;
                continue;
            }
            let message = self.filter.row(
                &mut self.reader,
                (poller, desc, &row),
                self.redact,
                group.captured_at_ns(),
            );
            let told = Told {
                row,
                seen: self.sequence,
                shown: message.is_some(),
            };
            let before = self
                .rows
                .insert((id, row.slot), told)
                .filter(|before| before.shown);
            match (before, message) {
                (Some(before), Some(_)) if before.row == row => {}
                (before, message) => {
                    if let Some(before) = before
                        && (message.is_none() || before.row.generation != row.generation)
                    {
                        group.remove(key(poller.name(), &before.row));
                    }
                    message
                        .into_iter()
                        .for_each(|message| group.upsert(message));
                }
            }
        }
    }

    fn remove_unseen(&mut self, group: &mut Group) {
        let Self {
            rows,
            names,
            reader,
            sequence,
            ..
        } = self;
        rows.retain(|(poller, slot), told| {
            let seen = told.seen == *sequence;
            if !seen {
                if told.shown {
                    group.remove(key(names.get(poller).map_or("", String::as_str), &told.row));
                }
                reader.forget(*poller, *slot);
            }
            seen
        });
    }

    fn statistics(&mut self, pollers: &[Poller]) -> GetStatsResponse {
        self.auditors
            .retain(|id, _| pollers.iter().any(|poller| poller.shared.id == *id));
        let auditors = &mut self.auditors;
        let laws: Vec<_> = pollers
            .iter()
            .map(|poller| auditors.entry(poller.shared.id).or_default().read(poller))
            .collect();
        let now = Reading::of(pollers);
        let response = now.response(&laws, self.stats_before.as_ref());
        self.stats_before = Some(now);
        response
    }
}

fn key(poller: &str, row: &RawRow) -> String {
    format!("{poller}/{}.{}", row.slot, row.generation)
}

/// A group of frames in the making, each at most as large as a message may be.
struct Group {
    frames: Vec<WatchFrame>,
    bytes: usize,
}

impl Group {
    fn new(sequence: u64, lost: u64) -> Self {
        let first = WatchFrame {
            sequence,
            lost,
            captured_at_ns: view::now_ns(),
            epoch: view::started_at_ns(),
            keyframe: sequence == 0,
            ..Default::default()
        };
        Self {
            frames: vec![first],
            bytes: 0,
        }
    }

    fn captured_at_ns(&self) -> u64 {
        self.frames[0].captured_at_ns
    }

    /// The frame that has room for `bytes` more.
    fn frame(&mut self, bytes: usize) -> &mut WatchFrame {
        // Tag and length of an entry.
        self.bytes += bytes + 8;
        let last = self.frames.len() - 1;
        if self.bytes > MAX_ROWS && self.bytes > bytes + 8 {
            let WatchFrame {
                sequence,
                captured_at_ns,
                epoch,
                keyframe,
                lost,
                ..
            } = self.frames[last];
            self.frames.push(WatchFrame {
                sequence,
                captured_at_ns,
                epoch,
                keyframe,
                lost,
                ..Default::default()
            });
            self.bytes = bytes + 8;
            return &mut self.frames[last + 1];
        }
        &mut self.frames[last]
    }

    fn upsert(&mut self, row: Descriptor) {
        self.frame(row.encoded_len()).upserts.push(row);
    }

    fn remove(&mut self, key: String) {
        self.frame(key.len()).removes.push(key);
    }

    fn finish(mut self, stats: Option<GetStatsResponse>) -> Vec<WatchFrame> {
        let bytes = stats.as_ref().map_or(0, Message::encoded_len);
        let last = self.frame(bytes);
        last.stats = stats;
        last.end = true;
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_a_slow_client_missed_are_counted_and_a_late_one_is_not() {
        let due = Instant::now();
        let interval = Duration::from_secs(1);
        assert_eq!(skipped(due, due - interval, interval), 0);
        assert_eq!(skipped(due, due + interval / 2, interval), 0);
        assert_eq!(skipped(due, due + interval * 5 / 2, interval), 2);
    }

    #[test]
    fn a_group_is_cut_into_messages_of_bounded_size_and_only_the_last_one_ends_it() {
        let mut group = Group::new(0, 3);
        for slot in 0..30_000 {
            group.upsert(Descriptor {
                slot,
                label: "x".repeat(128),
                ..Default::default()
            });
        }
        let frames = group.finish(Some(GetStatsResponse::default()));
        assert!(frames.len() > 3);
        assert!(
            frames.iter().all(|frame| frame.encoded_len() <= MAX_MESSAGE
                && frame.keyframe
                && frame.lost == 3)
        );
        assert_eq!(frames.iter().filter(|frame| frame.end).count(), 1);
        assert!(frames.last().unwrap().end && frames.last().unwrap().stats.is_some());
        assert_eq!(
            frames
                .iter()
                .map(|frame| frame.upserts.len())
                .sum::<usize>(),
            30_000
        );
    }
}
