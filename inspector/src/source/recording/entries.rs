//! Entries as the bytes of a block.
//!
//! Texts are written as the process has them, not as they are shown: what is read of a file passes
//! the same gate as what comes over a connection.

use std::borrow::Cow;

use netpoller_proto::recording::Pending;
use netpoller_proto::v1::Entry;
use netpoller_proto::v1::entry::Told;
use prost::Message;

use crate::foreign::restored;
use crate::source::schema::SCHEMA;

/// What the entries of a block may take in memory: those of a block that is full of small rows, and
/// a message more.
const LARGEST_DECODED: usize = 32 << 20;

/// Puts an entry behind others, and returns how many bytes it takes.
pub(super) fn put(told: Told, moments: (u64, u64), pending: &mut Pending) -> usize {
    let entry = Entry { told: Some(told) }.encode_to_vec();
    let shape = SCHEMA.message("Entry");
    let entry = shape.and_then(|it| SCHEMA.rewrite(it, &entry, restored, usize::MAX).ok());
    // It is a message of ours, so it can be rewritten.
    let (entry, _) = entry.unwrap_or_default();
    pending.put(&entry, moments)
}

/// What a block holds; nothing if it is not whole entries. What this version does not know is left
/// out.
pub(super) fn all(content: &[u8]) -> Option<Vec<Told>> {
    let shape = SCHEMA.message("Entry")?;
    let (mut all, mut room) = (Vec::new(), LARGEST_DECODED);
    for entry in Pending::entries(content) {
        // As much as it takes is known before it is taken.
        let (entry, left) = SCHEMA.rewrite(shape, entry?, unchanged, room).ok()?;
        room = left;
        all.extend(Entry::decode(&entry[..]).ok()?.told);
    }
    Some(all)
}

fn unchanged(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use netpoller_proto::recording::{Content, at_ns};
    use netpoller_proto::v1::{Descriptor, Direction, Ended, WatchFrame};
    use prost::encoding::encode_varint;

    use super::*;

    #[test]
    fn entries_are_read_as_they_were_written_and_with_the_texts_of_the_process() {
        let frame = |label: &str| {
            Told::Frame(WatchFrame {
                captured_at_ns: 7,
                upserts: vec![Descriptor {
                    label: label.into(),
                    ..Descriptor::default()
                }],
                ..WatchFrame::default()
            })
        };
        let ended = Told::Ended(Ended {
            at_ns: 9,
            why: "interrupted".into(),
        });
        let mut pending = Pending::new(Content::Changes);
        put(frame(r"red \u{1b}[31m"), (7, 7), &mut pending);
        put(ended.clone(), (9, 9), &mut pending);
        let content = pending.content();
        let read = all(content).expect("what was written");
        assert_eq!(read, [frame("red \u{1b}[31m"), ended]);
        assert_eq!(read.iter().map(at_ns).collect::<Vec<_>>(), [7, 9]);
        assert_eq!(all(&content[..content.len() - 1]), None);
    }

    /// An entry with so many rows with nothing in them: two bytes each, and a kilobyte of memory.
    fn bare(rows: usize) -> Vec<u8> {
        let frame = [0x2a, 0x00].repeat(rows);
        let mut entry = vec![0x12];
        encode_varint(frame.len() as u64, &mut entry);
        entry.extend(frame);
        let mut content = Vec::new();
        encode_varint(entry.len() as u64, &mut content);
        content.extend(entry);
        content
    }

    #[test]
    fn entries_that_would_take_too_much_memory_are_not_taken_together_either() {
        assert!(all(&bare(1_000_000)).is_none());
        let some = bare(4_000);
        assert_eq!(all(&some).map(|it| it.len()), Some(1));
        assert_eq!(all(&some.repeat(20)).map(|it| it.len()), None);
    }

    #[test]
    fn a_block_that_is_full_of_the_smallest_rows_is_taken() {
        let row = |slot| Descriptor {
            poller: "epoll-3".into(),
            slot,
            generation: slot,
            fd: 3,
            read: Some(Direction::default()),
            write: Some(Direction::default()),
            ..Descriptor::default()
        };
        let frame = Told::Frame(WatchFrame {
            upserts: (0..1_000).map(row).collect(),
            ..WatchFrame::default()
        });
        let (mut pending, mut frames) = (Pending::new(Content::Changes), 0);
        while !pending.is_full() {
            put(frame.clone(), (7, 7), &mut pending);
            frames += 1;
        }
        assert_eq!(all(pending.content()).map(|it| it.len()), Some(frames));
    }
}
