//! Choosing the columns of a table, and their order.

use crate::table::{Column, Entry};

/// The columns of a table, those that are shown first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chooser {
    /// Each with whether it is shown.
    pub(crate) all: Vec<(&'static str, bool)>,
    pub(crate) cursor: usize,
}

impl Chooser {
    /// Of all columns these, in this order.
    pub(crate) fn of(shown: &[&'static Column<Entry>], all: &'static [Column<Entry>]) -> Self {
        let is_shown = |column: &&Column<Entry>| shown.iter().any(|it| it.name == column.name);
        let others = all.iter().filter(|it| !is_shown(it));
        let all = shown.iter().map(|it| (it.name, true));
        Self {
            all: all.chain(others.map(|it| (it.name, false))).collect(),
            cursor: 0,
        }
    }

    /// Shows the column under the cursor, or not; one is always shown.
    pub(crate) fn turn(&mut self) {
        let shown = self.all.iter().filter(|it| it.1).count();
        if let Some((_, is_shown)) = self.all.get_mut(self.cursor)
            && (shown > 1 || !*is_shown)
        {
            *is_shown = !*is_shown;
        }
    }

    /// Moves it to the left, or to the right.
    pub(crate) fn shift(&mut self, forth: bool) {
        let to = match forth {
            true => self.cursor.checked_add(1).filter(|to| *to < self.all.len()),
            false => self.cursor.checked_sub(1),
        };
        if let Some(to) = to {
            self.all.swap(self.cursor, to);
            self.cursor = to;
        }
    }

    /// Those that are shown, in their order.
    pub(crate) fn shown(&self) -> Vec<&'static str> {
        let shown = self.all.iter().filter(|it| it.1);
        shown.map(|it| it.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chooser(all: &[(&'static str, bool)]) -> Chooser {
        Chooser {
            all: all.to_vec(),
            cursor: 0,
        }
    }

    #[test]
    fn columns_are_shown_and_moved_and_one_stays() {
        let mut columns = chooser(&[("id", true), ("fd", true), ("task", false)]);
        columns.turn();
        assert_eq!(columns.shown(), ["fd"]);
        columns.shift(true);
        columns.turn();
        assert_eq!((columns.shown(), columns.cursor), (vec!["fd", "id"], 1));
        columns.cursor = 2;
        columns.turn();
        columns.shift(true);
        columns.shift(false);
        assert_eq!(columns.shown(), ["fd", "task", "id"]);
        let mut one = chooser(&[("id", true), ("fd", false)]);
        one.turn();
        assert_eq!(one.shown(), ["id"]);
        one.shift(false);
        assert_eq!(one.cursor, 0);
    }
}
