//! What a subscriber of the table was told, and what that leaves to tell.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, WatchFrame};
use prost::Message;

use super::table::Table;
use super::wanted::{MAX_MESSAGE, MAX_ROWS, Wanted};

/// What a subscriber was told.
#[derive(Default)]
pub(in crate::source) struct Told {
    sequence: u64,
    rows: HashMap<String, Arc<Descriptor>>,
}

impl Told {
    /// A group of frames, of which only the last one has `end` set. The first group is a keyframe.
    pub(in crate::source) fn tell(
        &mut self,
        table: &Table<'_>,
        wanted: &Wanted,
    ) -> Vec<WatchFrame> {
        let begin = || WatchFrame {
            sequence: self.sequence,
            captured_at_ns: table.captured_at_ns,
            epoch: table.epoch,
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
        for row in table
            .rows
            .iter()
            .filter(|row| wanted.admits(row, table.captured_at_ns))
        {
            let key = row.key();
            let before = self.rows.remove(&key);
            let is_same = |before: Arc<Descriptor>| {
                Arc::ptr_eq(&before, row) || lasting(&before) == lasting(row)
            };
            if !before.is_some_and(is_same) {
                let last = room(&mut frames, row.encoded_len());
                frames[last].upserts.push(Descriptor::clone(row));
            }
            now.insert(key, row.clone());
        }
        for gone in std::mem::replace(&mut self.rows, now).into_keys() {
            let last = room(&mut frames, gone.len());
            frames[last].removes.push(gone);
        }
        let last = room(&mut frames, table.sockets_error.len());
        table
            .sockets_error
            .clone_into(&mut frames[last].sockets_error);
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

    fn rows(rows: &[(u32, &str)]) -> Vec<Arc<Descriptor>> {
        let row = |(slot, label): &(u32, &str)| {
            Arc::new(Descriptor {
                poller: "epoll-3".into(),
                slot: *slot,
                label: (*label).into(),
                ..Descriptor::default()
            })
        };
        rows.iter().map(row).collect()
    }

    fn table(rows: &[Arc<Descriptor>]) -> Table<'_> {
        Table {
            epoch: 7,
            rows,
            ..Table::default()
        }
    }

    #[test]
    fn a_group_has_what_is_new_or_changed_and_the_keys_of_what_is_gone() {
        let wanted = Wanted::new("", false, None).expect("everything");
        let mut told = Told::default();
        let first = told.tell(&table(&rows(&[(1, "a"), (2, "b"), (3, "c")])), &wanted);
        let [first] = &first[..] else {
            panic!("{first:?}")
        };
        assert!(first.keyframe && first.end && first.epoch == 7);
        assert_eq!(first.upserts.len(), 3);
        let next = told.tell(&table(&rows(&[(1, "a"), (2, "x")])), &wanted);
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
        let frames = Told::default().tell(&table(&self::rows(&rows)), &wanted);
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
