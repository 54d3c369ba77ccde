//! Which of a recording is left where it forgets its beginning.

use std::collections::VecDeque;

use super::block::MAGIC;

/// Knows where the whole tables of a recording begin, and with which one it begins when it has
/// become too long.
#[derive(Debug)]
pub struct Kept {
    most: u64,
    /// Where, of all that was ever written, that begins which is kept.
    begin: u64,
    tables: VecDeque<u64>,
}

impl Kept {
    /// Keeps so many bytes, at most.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self {
            most,
            begin: MAGIC.len() as u64,
            tables: VecDeque::new(),
        }
    }

    /// Returns after how many bytes a whole table is to begin again, at the latest.
    #[must_use]
    pub fn table_every(&self) -> u64 {
        self.most / 4
    }

    /// Says that a whole table begins behind so many bytes of all that was ever written, or will.
    pub fn table(&mut self, at: u64) {
        if self.tables.back() != Some(&at) {
            self.tables.push_back(at);
        }
    }

    /// Returns how many bytes at the end are left, if so many were ever written and that is more
    /// than is kept; [`MAGIC`] and those are the recording once that has [`begun`](Self::begins).
    ///
    /// A quarter more is forgotten than has to be, so that it need not be done for each block.
    pub fn left(&mut self, written: u64) -> Option<u64> {
        if !self.is_over(written) {
            return None;
        }
        let from = written.saturating_sub(self.most / 4 * 3);
        let before = self.tables.iter().take_while(|it| **it < from).count();
        self.tables.drain(..before);
        // One that is not written yet begins where all ends.
        let begin = self.tables.front()?;
        Some(written.saturating_sub(*begin))
    }

    /// Says that it begins now behind so many bytes of all that was ever written.
    pub fn begins(&mut self, at: u64) {
        self.begin = at;
    }

    /// Returns whether there is a quarter more than is kept, with so many bytes ever written: no
    /// whole table has come for too long, if that is so after [`Self::left`].
    #[must_use]
    pub fn is_far_over(&self, written: u64) -> bool {
        self.is_over(written.saturating_sub(self.most / 4))
    }

    fn is_over(&self, written: u64) -> bool {
        written.saturating_sub(self.begin) + MAGIC.len() as u64 > self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_forgotten_up_to_a_whole_table_and_a_quarter_more_than_has_to_be() {
        let mut kept = Kept::new(400);
        for at in [8, 108, 208, 308] {
            kept.table(at);
            kept.table(at);
        }
        assert_eq!((kept.left(400), kept.is_over(400)), (None, false));
        assert!(kept.is_over(401));
        // From 101 on.
        assert_eq!(kept.left(401), Some(401 - 108));
        assert_eq!(kept.left(401), Some(401 - 108));
        kept.begins(108);
        assert_eq!((kept.left(401), kept.is_over(401)), (None, false));
        // Nothing begins late enough.
        assert_eq!((kept.left(700), kept.is_far_over(608)), (None, true));
        assert!(!kept.is_far_over(600));
        kept.table(700);
        assert_eq!(kept.left(700), Some(0));
        kept.begins(700);
        assert!(!kept.is_over(700));
    }
}
