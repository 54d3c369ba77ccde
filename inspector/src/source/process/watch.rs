//! The table as it changes, told like an endpoint's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::v1::{Descriptor, WatchFrame, WatchRequest};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::look::Look;
use super::outside::Outside;
use super::wanted::{MAX_MESSAGE, MAX_ROWS, Wanted};

/// The interval if none is asked for, and the shortest: each look costs the process something.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn start(
    outside: Arc<Outside>,
    request: &WatchRequest,
) -> Result<ReceiverStream<Result<WatchFrame, Status>>, Status> {
    let wanted = Wanted::new(&request.poller, false, request.filter.as_ref())?;
    let mut ticks = interval(Duration::from_nanos(request.interval_ns).max(INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stats = request.stats;
    let (frames, stream) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut told = Told::default();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = frames.closed() => return,
            }
            let look = match outside.look().await {
                Ok(look) => look,
                Err(status) => return drop(frames.send(Err(status)).await),
            };
            let mut group = told.tell(&look, &wanted, outside.epoch);
            if let Some(last) = group.last_mut() {
                last.stats = stats.then(|| outside.stats(&look));
            }
            for frame in group {
                if frames.send(Ok(frame)).await.is_err() {
                    return;
                }
            }
        }
    });
    Ok(ReceiverStream::new(stream))
}

/// What a subscriber was told.
#[derive(Default)]
struct Told {
    sequence: u64,
    rows: HashMap<String, Arc<Descriptor>>,
}

impl Told {
    /// A group of frames, of which only the last one has `end` set.
    fn tell(&mut self, look: &Look, wanted: &Wanted, epoch: u64) -> Vec<WatchFrame> {
        let begin = || WatchFrame {
            sequence: self.sequence,
            captured_at_ns: look.captured_at_ns,
            epoch,
            keyframe: self.sequence == 0,
            ..WatchFrame::default()
        };
        let (mut frames, mut bytes, mut entries) = (vec![begin()], 0, 0);
        // Bytes as they are sent; what they become is bounded by the number of rows.
        let mut room = |frames: &mut Vec<WatchFrame>, more: usize| {
            (bytes, entries) = (bytes + more + 16, entries + 1);
            if bytes > MAX_MESSAGE - 8192 || entries > MAX_ROWS {
                frames.push(begin());
                (bytes, entries) = (more, 1);
            }
            frames.len() - 1
        };
        let mut now = HashMap::new();
        for row in look
            .rows
            .iter()
            .filter(|row| wanted.admits(row, look.captured_at_ns))
        {
            let key = row.key();
            let before = self.rows.remove(&key);
            if before.is_none_or(|before| lasting(&before) != lasting(row)) {
                let last = room(&mut frames, row.encoded_len());
                frames[last].upserts.push(Descriptor::clone(row));
            }
            now.insert(key, row.clone());
        }
        for gone in std::mem::replace(&mut self.rows, now).into_keys() {
            let last = room(&mut frames, gone.len());
            frames[last].removes.push(gone);
        }
        let last = room(&mut frames, look.sockets_error.len());
        frames[last].sockets_error.clone_from(&look.sockets_error);
        frames[last].end = true;
        self.sequence += 1;
        frames
    }
}

/// A row without what differs each time it is read: the times of its socket are known to within
/// some milliseconds.
fn lasting(row: &Descriptor) -> Descriptor {
    let mut row = row.clone();
    if let Some(socket) = &mut row.socket {
        (socket.last_recv_ns, socket.last_send_ns, socket.rtt_ns) = (None, None, None);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(rows: &[(u32, &str)]) -> Look {
        let row = |(slot, label): &(u32, &str)| {
            Arc::new(Descriptor {
                poller: "epoll-3".into(),
                slot: *slot,
                label: (*label).into(),
                ..Descriptor::default()
            })
        };
        Look {
            rows: rows.iter().map(row).collect(),
            ..Look::default()
        }
    }

    #[test]
    fn a_group_has_what_is_new_or_changed_and_the_keys_of_what_is_gone() {
        let wanted = Wanted::new("", false, None).expect("everything");
        let mut told = Told::default();
        let first = told.tell(&look(&[(1, "a"), (2, "b"), (3, "c")]), &wanted, 7);
        let [first] = &first[..] else {
            panic!("{first:?}")
        };
        assert!(first.keyframe && first.end && first.epoch == 7);
        assert_eq!(first.upserts.len(), 3);
        let next = told.tell(&look(&[(1, "a"), (2, "x")]), &wanted, 7);
        let [next] = &next[..] else {
            panic!("{next:?}")
        };
        assert!(!next.keyframe && next.sequence == 1);
        assert_eq!((next.upserts.len(), next.upserts[0].slot), (1, 2));
        assert_eq!(next.removes, ["epoll-3/3.0"]);
    }

    #[test]
    fn no_frame_is_larger_than_a_message_may_be_and_only_the_last_one_ends_the_group() {
        let label = "x".repeat(200);
        let rows: Vec<_> = (0..20_000).map(|slot| (slot, label.as_str())).collect();
        let wanted = Wanted::new("", false, None).expect("everything");
        let frames = Told::default().tell(&look(&rows), &wanted, 7);
        assert!(frames.len() > 3);
        assert!(
            frames
                .iter()
                .all(|it| it.encoded_len() <= MAX_MESSAGE && it.keyframe)
        );
        assert!(frames.iter().all(|it| it.upserts.len() <= MAX_ROWS));
        assert_eq!(frames.iter().filter(|it| it.end).count(), 1);
        assert!(frames.last().is_some_and(|it| it.end));
        let told: usize = frames.iter().map(|it| it.upserts.len()).sum();
        assert_eq!(told, rows.len());
    }
}
