//! The blocks of a recording.
//!
//! Each block has a head of [`HEAD`] bytes, all numbers little endian, and then its content,
//! compressed by deflate (RFC 1951):
//!
//! | bytes | of the head |
//! |---|---|
//! | 4 | a mark, by which blocks are found behind a damage |
//! | 4 | what is in it, a [`Content`] |
//! | 4 | length of the content |
//! | 4 | length of the same as it is stored |
//! | 8 | the first moment in it, in nanoseconds of the process's monotonic clock |
//! | 8 | the last moment in it |
//! | 4 | CRC-32 of what is stored |
//! | 4 | CRC-32 of the head before this number |

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// What a recording begins with; the last byte is the version of the file.
pub const MAGIC: [u8; 8] = *b"netpoll\x01";
/// What a block begins with.
pub const MARK: [u8; 4] = *b"\xf1npb";
/// Length of a head, in bytes.
pub const HEAD: usize = 40;
/// Length of a content, in bytes, from which on it is written.
pub const FULL: usize = 256 << 10;
/// Length of a content, in bytes, at most.
pub const LARGEST: usize = 8 << 20;

/// What is in a block. Events are apart from all else, for they are most of a recording, and
/// whoever wants to know how things stood at a moment need not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// What has changed.
    Changes = 0,
    /// All that was known, and then what has changed.
    Keyframe = 1,
    /// Events.
    Events = 2,
}

impl Content {
    fn of(number: u32) -> Option<Self> {
        let all = [Self::Changes, Self::Keyframe, Self::Events];
        all.into_iter().find(|it| *it as u32 == number)
    }
}

/// The head of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What is in it.
    pub of: Content,
    /// The first moment in it, in nanoseconds of the process's monotonic clock.
    pub first_ns: u64,
    /// The last moment in it, not before the first.
    pub last_ns: u64,
    content: u32,
    stored: u32,
    crc: u32,
}

/// Length of what is stored, at most: deflate takes nine bits for a byte where it does worst.
fn largest_stored(content: u32) -> u32 {
    content + content / 8 + 64
}

impl Head {
    /// Reads one that lies there; `None` if it is none, or of a block that is longer than any.
    #[must_use]
    pub fn read(head: &[u8; HEAD]) -> Option<Self> {
        let word = |at: usize| -> u32 {
            u32::from_le_bytes(head[at..at + 4].try_into().unwrap_or_default())
        };
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let is_sound = head[..4] == MARK
            && word(8) as usize <= LARGEST
            && word(12) <= largest_stored(word(8))
            && word(HEAD - 4) == crc32fast::hash(&head[..HEAD - 4]);
        let of = Content::of(word(4)).filter(|_| is_sound)?;
        Some(Self {
            of,
            content: word(8),
            stored: word(12),
            first_ns: long(16),
            last_ns: long(24).max(long(16)),
            crc: word(32),
        })
    }

    /// Returns how many bytes lie behind it.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.stored as usize
    }

    /// Returns whether these are the bytes that were stored behind it.
    #[must_use]
    pub fn is_of(&self, stored: &[u8]) -> bool {
        stored.len() == self.stored() && crc32fast::hash(stored) == self.crc
    }

    /// Returns the content of the bytes behind it.
    ///
    /// # Errors
    ///
    /// If they are not what was written.
    pub fn content(&self, stored: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::with_capacity(self.content as usize);
        DeflateDecoder::new(stored)
            .take(u64::from(self.content) + 1)
            .read_to_end(&mut content)?;
        if !self.is_of(stored) || content.len() != self.content as usize {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(content)
    }

    /// Returns a block as it is written, with its first and its last moment.
    ///
    /// # Errors
    ///
    /// If the content is of 4 GiB or more.
    pub fn block(
        of: Content,
        (first_ns, last_ns): (u64, u64),
        content: &[u8],
    ) -> io::Result<Vec<u8>> {
        let mut encoder = DeflateEncoder::new(vec![0; HEAD], Compression::fast());
        encoder.write_all(content)?;
        let mut written = encoder.finish()?;
        let (head, stored) = written.split_at_mut(HEAD);
        let length = |length: usize| {
            u32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
        };
        let mut rest = &mut *head;
        rest.write_all(&MARK)?;
        rest.write_all(&(of as u32).to_le_bytes())?;
        rest.write_all(&length(content.len())?.to_le_bytes())?;
        rest.write_all(&length(stored.len())?.to_le_bytes())?;
        rest.write_all(&first_ns.to_le_bytes())?;
        rest.write_all(&last_ns.to_le_bytes())?;
        rest.write_all(&crc32fast::hash(stored).to_le_bytes())?;
        let crc = crc32fast::hash(&head[..HEAD - 4]);
        head[HEAD - 4..].copy_from_slice(&crc.to_le_bytes());
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(block: &[u8]) -> Option<Head> {
        Head::read(block.first_chunk().expect("a head"))
    }

    #[test]
    fn a_block_is_read_as_it_was_written_and_no_other_bytes_are_taken_for_it() {
        let block = Head::block(Content::Events, (7, 9), b"content").expect("written");
        let (read, stored) = (head(&block).expect("a head"), &block[HEAD..]);
        assert_eq!(
            (read.of, read.first_ns, read.last_ns),
            (Content::Events, 7, 9)
        );
        assert_eq!(read.stored(), stored.len());
        assert_eq!(read.content(stored).expect("its content"), b"content");
        assert!(read.content(&stored[1..]).is_err());
        for bit in 0..block.len() * 8 {
            let mut turned = block.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            let content = head(&turned).map(|it| it.content(&turned[HEAD..]));
            assert!(!matches!(content, Some(Ok(_))), "bit {bit}");
        }
    }

    #[test]
    fn what_is_stored_is_no_longer_than_its_content_can_make_it() {
        // Nothing that could be made shorter.
        let mut noise = 1_u64;
        let noise = std::iter::repeat_with(|| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (noise >> 56) as u8
        });
        let noise: Vec<u8> = noise.take(300_000).collect();
        for content in [&b""[..], b"a", &noise[..100], &noise] {
            let block = Head::block(Content::Changes, (1, 1), content).expect("written");
            let read = head(&block).expect("a head");
            assert_eq!(read.content(&block[HEAD..]).expect("it"), content);
        }
        let mut long = Head::block(Content::Changes, (1, 1), b"one").expect("written");
        long[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
        let crc = crc32fast::hash(&long[..HEAD - 4]);
        long[HEAD - 4..HEAD].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(head(&long), None);
    }
}
