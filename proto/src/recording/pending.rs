//! Entries that are to be a block.

use std::io;

use prost::encoding::{decode_varint, encode_varint};

use super::block::{Content, FULL, Head};

/// Entries that are to be a block, one behind another, each behind its length.
#[derive(Debug)]
pub struct Pending {
    /// What they are.
    pub of: Content,
    content: Vec<u8>,
    /// The first and the last moment in it; `None` while it is empty.
    moments: Option<(u64, u64)>,
}

impl Pending {
    /// Returns none yet.
    #[must_use]
    pub fn new(of: Content) -> Self {
        Self {
            of,
            content: Vec::new(),
            moments: None,
        }
    }

    /// Puts an encoded [`Entry`](crate::v1::Entry) behind the others, with its first and its last
    /// moment, and returns how many bytes it takes.
    pub fn put(&mut self, entry: &[u8], (first_ns, last_ns): (u64, u64)) -> usize {
        let (first, last) = self.moments.unwrap_or((first_ns, last_ns));
        self.moments = Some((first.min(first_ns), last.max(last_ns)));
        let before = self.content.len();
        encode_varint(entry.len() as u64, &mut self.content);
        self.content.extend_from_slice(entry);
        self.content.len() - before
    }

    /// Returns them as they are before they are compressed.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Returns whether they are to be written now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.content.len() >= FULL
    }

    /// Returns the block as it is written and the last moment in it, unless it is empty. What comes
    /// next is a block of its own, of that content, even if this one is not written.
    ///
    /// # Errors
    ///
    /// If it is of 4 GiB or more.
    pub fn take(&mut self, then: Content) -> io::Result<Option<(Vec<u8>, u64)>> {
        let Some(moments) = self.moments.take() else {
            return Ok(None);
        };
        let of = std::mem::replace(&mut self.of, then);
        let content = std::mem::take(&mut self.content);
        let block = Head::block(of, moments, &content)?;
        Ok(Some((block, moments.1)))
    }

    /// Returns the encoded entries of a content; `None` in place of one that is not whole.
    pub fn entries(mut content: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
        std::iter::from_fn(move || {
            if content.is_empty() {
                return None;
            }
            let entry = decode_varint(&mut content).ok().and_then(|length| {
                let (entry, rest) = content.split_at_checked(usize::try_from(length).ok()?)?;
                content = rest;
                Some(entry)
            });
            if entry.is_none() {
                content = &[];
            }
            Some(entry)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::HEAD;
    use super::*;

    #[test]
    fn entries_are_a_block_with_the_first_and_the_last_moment_of_all() {
        let mut pending = Pending::new(Content::Keyframe);
        assert!(pending.take(Content::Changes).expect("nothing").is_none());
        pending.put(b"one", (5, 6));
        assert_eq!(pending.put(b"three", (3, 4)), 6);
        let (block, last_ns) = pending
            .take(Content::Changes)
            .expect("it")
            .expect("a block");
        assert_eq!((last_ns, pending.of), (6, Content::Changes));
        let head = Head::read(block.first_chunk().expect("a head")).expect("a head");
        assert_eq!(
            (head.of, head.first_ns, head.last_ns),
            (Content::Keyframe, 3, 6)
        );
        let content = head.content(&block[HEAD..]).expect("its content");
        let entries: Vec<_> = Pending::entries(&content).collect();
        assert_eq!(entries, [Some(&b"one"[..]), Some(b"three")]);
        let cut: Vec<_> = Pending::entries(&content[..content.len() - 1]).collect();
        assert_eq!(cut, [Some(&b"one"[..]), None]);
    }
}
