//! The blocks of a recording, found again where the file was cut or damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use netpoller_proto::recording::{HEAD, Head, MAGIC, MARK};

/// Bytes that are looked through at a time for a mark.
const STEP: usize = 64 << 10;

/// Where blocks are read from.
pub(super) trait Bytes: Send + Sync + std::fmt::Debug {
    /// How many there are.
    fn size(&self) -> io::Result<u64>;
    /// Reads as many as there is room for.
    fn read(&self, at: u64, room: &mut [u8]) -> io::Result<()>;
}

impl Bytes for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, at: u64, room: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(room, at)
    }
}

impl Bytes for Vec<u8> {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read(&self, at: u64, room: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let bytes = self.get(start..start.saturating_add(room.len()));
        room.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) head: Head,
    /// What was before it cannot be read.
    pub(super) behind_gap: bool,
    /// Where its stored content is.
    at: u64,
}

/// What cannot be read of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) at: u64,
    pub(super) bytes: u64,
    /// Nothing comes after it.
    pub(super) is_end: bool,
}

impl Block {
    /// From a head that lies there; `None` if it is none.
    fn headed(head: &[u8; HEAD], at: u64) -> Option<Self> {
        Head::read(head).map(|head| Self {
            head,
            at: at + HEAD as u64,
            behind_gap: false,
        })
    }

    /// Where its head is.
    pub(super) fn begin(&self) -> u64 {
        self.at - HEAD as u64
    }

    /// Where the next one begins.
    fn end(&self) -> u64 {
        self.at + self.head.stored() as u64
    }

    /// Its content; an error if it is not what was written.
    pub(super) fn content(&self, bytes: &dyn Bytes) -> io::Result<Vec<u8>> {
        let mut stored = vec![0; self.head.stored()];
        bytes.read(self.at, &mut stored)?;
        self.head.content(&stored)
    }
}

/// The blocks that can be read, and what lies between. Everything is read once: a block whose head
/// is sound is passed over as a whole, whatever is in it.
pub(super) fn scan(bytes: &dyn Bytes) -> io::Result<(Vec<Block>, Vec<Gap>)> {
    let size = bytes.size()?;
    let (mut blocks, mut gaps) = (Vec::new(), Vec::<Gap>::new());
    let mut readable_until = MAGIC.len() as u64;
    let mut ahead = Ahead {
        bytes,
        size,
        at: readable_until,
        read: Vec::new(),
        taken: 0,
    };
    loop {
        let at = ahead.at;
        let Some(head) = ahead.peek(HEAD)?.first_chunk() else {
            break;
        };
        let Some(mut block) = Block::headed(head, at).filter(|it| it.end() <= size) else {
            ahead.pass_to_mark()?;
            continue;
        };
        let stored = HEAD..HEAD + block.head.stored();
        let length = stored.end;
        let stored = ahead.peek(length)?.get(stored);
        let is_sound = stored.is_some_and(|it| block.head.is_of(it));
        ahead.pass(length);
        if !is_sound {
            continue;
        }
        let begins = block.begin();
        if begins > readable_until {
            block.behind_gap = true;
            gaps.push(Gap {
                at: readable_until,
                bytes: begins - readable_until,
                is_end: false,
            });
        }
        readable_until = block.end();
        blocks.push(block);
    }
    if size > readable_until {
        gaps.push(Gap {
            at: readable_until,
            bytes: size - readable_until,
            is_end: true,
        });
    }
    Ok((blocks, gaps))
}

/// Bytes that are gone through once, and those that were read ahead.
struct Ahead<'a> {
    bytes: &'a dyn Bytes,
    size: u64,
    /// How far it has come.
    at: u64,
    /// What was read, up to there and further.
    read: Vec<u8>,
    /// So many of these are before `at`.
    taken: usize,
}

impl Ahead<'_> {
    /// The next bytes, so many at least; fewer at the end.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let there = self.read.len() - self.taken;
        if there < count {
            self.read.drain(..self.taken);
            self.taken = 0;
            let left = self.size.saturating_sub(self.at + there as u64);
            let more = usize::try_from(left).unwrap_or(usize::MAX);
            let more = more.min((count - there).max(STEP));
            self.read.resize(there + more, 0);
            let end = self.at + there as u64;
            self.bytes.read(end, &mut self.read[there..])?;
        }
        Ok(&self.read[self.taken..])
    }

    /// Goes on by so many of those that were peeked at.
    fn pass(&mut self, count: usize) {
        self.taken = (self.taken + count).min(self.read.len());
        self.at += count as u64;
    }

    /// Goes on to the next mark, or to where there is none.
    fn pass_to_mark(&mut self) -> io::Result<()> {
        self.pass(1);
        loop {
            let ahead = self.peek(MARK.len())?;
            let found = memchr::memmem::find(ahead, &MARK);
            // A mark may lie across what was read and what comes then.
            let before = ahead.len().saturating_sub(MARK.len() - 1);
            self.pass(found.unwrap_or(before));
            if found.is_some() || before == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::Relaxed;

    use netpoller_proto::recording::Content;
    use proptest::prelude::*;

    use super::*;

    fn file(contents: &[&[u8]]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        for (number, content) in contents.iter().enumerate() {
            let moment = number as u64 + 1;
            let of = match number {
                0 => Content::Keyframe,
                _ => Content::Changes,
            };
            let block = Head::block(of, (moment, moment), content);
            file.extend(block.expect("written to memory"));
        }
        file
    }

    fn contents(file: &Vec<u8>) -> Vec<Vec<u8>> {
        let (blocks, _) = scan(file).expect("read from memory");
        let contents = blocks.iter().map(|block| block.content(file));
        contents.map(|it| it.expect("what was written")).collect()
    }

    #[test]
    fn what_is_written_is_found_again() {
        let long = vec![7; 300_000];
        let file = file(&[b"one", &long, b""]);
        let (blocks, gaps) = scan(&file).expect("read");
        assert_eq!((blocks.len(), gaps.len()), (3, 0));
        let of: Vec<Content> = blocks.iter().map(|it| it.head.of).collect();
        assert_eq!(of, [Content::Keyframe, Content::Changes, Content::Changes]);
        assert_eq!(contents(&file), [b"one".to_vec(), long, Vec::new()]);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_has_the_blocks_before_the_cut() {
        let whole = file(&[b"one", b"two", b"three"]);
        for length in MAGIC.len()..whole.len() {
            let cut = whole[..length].to_vec();
            let (blocks, gaps) = scan(&cut).expect("read");
            let complete = blocks.len();
            assert!(complete < 3);
            let all = [&b"one"[..], b"two", b"three"];
            assert_eq!(contents(&cut), all[..complete]);
            let ends_between =
                blocks.last().map_or(MAGIC.len() as u64, Block::end) == length as u64;
            assert_eq!(gaps.is_empty(), ends_between, "{length}");
        }
    }

    #[test]
    fn a_block_that_only_looks_like_one_hides_none_behind_it() {
        let mut file = file(&[b"one"]);
        file.extend(MARK);
        file.extend([0; 100]);
        let last = Head::block(Content::Events, (9, 9), b"last").expect("written");
        file.extend(last);
        let (blocks, gaps) = scan(&file).expect("read");
        assert_eq!(contents(&file), [b"one".to_vec(), b"last".to_vec()]);
        assert!(blocks[1].behind_gap && !gaps[0].is_end);
        assert_eq!(gaps[0].bytes, 104);
    }

    /// Bytes of which it is known how many were read, and how many at once. What lies behind those
    /// that are there is a hole.
    #[derive(Debug, Default)]
    struct Counted {
        bytes: Vec<u8>,
        size: u64,
        read: AtomicU64,
        largest: AtomicU64,
    }

    impl Counted {
        fn of(bytes: Vec<u8>) -> Self {
            Self {
                size: bytes.len() as u64,
                bytes,
                ..Self::default()
            }
        }
    }

    impl Bytes for Counted {
        fn size(&self) -> io::Result<u64> {
            Ok(self.size)
        }

        fn read(&self, at: u64, room: &mut [u8]) -> io::Result<()> {
            self.read.fetch_add(room.len() as u64, Relaxed);
            self.largest.fetch_max(room.len() as u64, Relaxed);
            let start = usize::try_from(at).expect("small").min(self.bytes.len());
            let there = &self.bytes[start..(start + room.len()).min(self.bytes.len())];
            let (first, hole) = room.split_at_mut(there.len());
            first.copy_from_slice(there);
            hole.fill(0);
            Ok(())
        }
    }

    #[test]
    fn everything_is_read_once_however_many_marks_are_none() {
        let mut damaged = file(&[b"one", &[7; 300_000]]);
        damaged.extend(MARK.repeat(100_000));
        damaged.extend(Head::block(Content::Events, (9, 9), b"last").expect("written"));
        let counted = Counted::of(damaged);
        let (blocks, gaps) = scan(&counted).expect("read");
        assert_eq!((blocks.len(), gaps.len()), (3, 1));
        assert!(counted.read.into_inner() <= counted.size);
    }

    proptest! {
        /// A bit that has turned costs the block in which it is, and nothing else.
        #[test]
        fn a_bit_that_has_turned_costs_one_block(at in 8_usize..200, bit in 0_u8..8) {
            let contents_written = [&b"one"[..], &[1; 40], b"three"];
            let mut damaged = file(&contents_written);
            let at = at % damaged.len();
            prop_assume!(at >= MAGIC.len());
            damaged[at] ^= 1 << bit;
            let read = contents(&damaged);
            prop_assert_eq!(read.len(), 2);
            for content in &read {
                prop_assert!(contents_written.contains(&&content[..]));
            }
        }

        #[test]
        fn whatever_lies_in_a_file_is_read_to_its_end(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut file = MAGIC.to_vec();
            file.extend(&bytes);
            let (blocks, gaps) = scan(&file).expect("read");
            prop_assert!(blocks.is_empty());
            prop_assert_eq!(gaps.is_empty(), bytes.is_empty());
        }
    }
}
