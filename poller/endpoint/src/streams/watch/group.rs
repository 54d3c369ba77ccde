//! A group of frames, each at most as large as a message may be, and of as many rows as a page:
//! small rows take many times their bytes where they are decoded.

use netpoller_core::view;
use netpoller_proto::v1::{Descriptor, GetStatsResponse, WatchFrame};
use prost::Message;

use crate::limits::MAX_ROWS;
use crate::packer::Room;

/// One group in the making.
pub(super) struct Group {
    frames: Vec<WatchFrame>,
    room: Room,
}

impl Group {
    pub(super) fn new(sequence: u64, lost: u64) -> Self {
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
            room: Room::new(MAX_ROWS),
        }
    }

    pub(super) fn captured_at_ns(&self) -> u64 {
        self.frames[0].captured_at_ns
    }

    /// The frame that has room for `bytes` more.
    fn frame(&mut self, bytes: usize) -> &mut WatchFrame {
        let last = self.frames.len() - 1;
        if self.room.take_or_begin_next(bytes) {
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
            return &mut self.frames[last + 1];
        }
        &mut self.frames[last]
    }

    pub(super) fn upsert(&mut self, row: Descriptor) {
        self.frame(row.encoded_len()).upserts.push(row);
    }

    pub(super) fn remove(&mut self, key: String) {
        self.frame(key.len()).removes.push(key);
    }

    pub(super) fn finish(
        mut self,
        stats: Option<GetStatsResponse>,
        sockets_error: String,
    ) -> Vec<WatchFrame> {
        let bytes = stats.as_ref().map_or(0, Message::encoded_len);
        let last = self.frame(bytes + sockets_error.len());
        last.stats = stats;
        last.sockets_error = sockets_error;
        last.end = true;
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_MESSAGE;

    #[test]
    fn a_frame_has_no_more_rows_than_a_page_however_small_they_are() {
        let mut group = Group::new(0, 0);
        for _ in 0..2 * MAX_ROWS {
            group.upsert(Descriptor::default());
        }
        let frames = group.finish(None, String::new());
        let rows: Vec<_> = frames.iter().map(|frame| frame.upserts.len()).collect();
        assert_eq!(rows, [MAX_ROWS, MAX_ROWS, 0]);
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
        let frames = group.finish(Some(GetStatsResponse::default()), String::new());
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
