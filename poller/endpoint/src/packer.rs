//! Cuts what one message has no room for into several.

use crate::limits::MAX_ENTRIES;

/// Bytes of the tag and the length that an entry has in its message.
const FRAME: usize = 8;

/// The room for entries in one message.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    entries: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Room {
    /// That of a message which has at most so many entries.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            entries: 0,
            bytes: 0,
        }
    }

    /// Takes an entry of so many bytes in. `false` if the message is full; a single entry always
    /// fits.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let bytes = self.bytes + bytes + FRAME;
        if !self.is_empty() && (self.entries == self.most || bytes > MAX_ENTRIES) {
            return false;
        }
        self.entries += 1;
        self.bytes = bytes;
        true
    }

    /// Takes an entry in, into the next message if this one is full. `true` if it is in the next.
    pub(crate) fn take_or_begin_next(&mut self, bytes: usize) -> bool {
        if self.take(bytes) {
            return false;
        }
        *self = Self::new(self.most);
        self.take(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_full_by_bytes_or_by_entries_and_one_entry_always_fits() {
        let mut room = Room::default();
        assert!(room.take(MAX_ENTRIES - FRAME));
        assert!(!room.take(0));
        assert!(
            room.take_or_begin_next(2 * MAX_ENTRIES),
            "too large, but alone"
        );
        assert!(!room.take(0));
        let mut room = Room::new(2);
        assert!(room.take(0) && room.take(0) && !room.take(0));
        assert!(room.take_or_begin_next(0) && !room.take_or_begin_next(0));
    }
}
