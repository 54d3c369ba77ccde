//! What rows are sorted by.

use std::cmp::Ordering;

use super::Field;
use crate::part::Part;

/// What one field of one row sorts by. It does not depend on the moment, so that pages which are
/// read one after another belong to one order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// By number.
    Number(i128),
    /// By letters.
    Text(String),
    /// Nothing there; comes last in either order.
    Absent,
}

impl Key {
    /// By letters; nothing if there are none.
    #[must_use]
    pub fn text(text: &str) -> Self {
        if text.is_empty() {
            Self::Absent
        } else {
            Self::Text(text.to_owned())
        }
    }

    /// What `field` of a row sorts by.
    #[must_use]
    pub fn of(field: Field, part: Part<'_>) -> Self {
        field.key(part)
    }

    /// The order of two rows, the largest first if `descending`. A row without a value comes last
    /// either way.
    #[must_use]
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        match (self, other) {
            (Self::Absent, _) | (_, Self::Absent) => self.cmp(other),
            (left, right) if descending => right.cmp(left),
            (left, right) => left.cmp(right),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Descriptor, Direction, State, Waiter};

    #[test]
    fn what_is_absent_comes_last_in_either_order() {
        let keys = [Key::Absent, Key::Number(10), Key::Number(-1)];
        for (descending, expected) in [(false, [-1, 10]), (true, [10, -1])] {
            let mut sorted = keys.clone();
            sorted.sort_by(|left, right| left.compare(right, descending));
            let [first, second] = expected.map(Key::Number);
            assert_eq!(sorted, [first, second, Key::Absent]);
        }
    }

    #[test]
    fn the_longest_wait_is_the_largest_since() {
        let waiting = |since_ns| Descriptor {
            read: Some(Direction {
                state: State::Parked.into(),
                since_ns,
                ..Default::default()
            }),
            ..Default::default()
        };
        let (long, short) = (waiting(1_000), waiting(2_000));
        let key = |row| Key::of(Field::Since, Part::whole(row));
        assert!(key(&long) > key(&short));
        assert_eq!(key(&Descriptor::default()), Key::Absent);
    }

    #[test]
    fn tasks_that_are_numbered_sort_by_their_number_and_others_by_name() {
        let key = |task: &str| {
            let row = Descriptor {
                read: Some(Direction {
                    state: State::Parked.into(),
                    waiter: Some(Waiter {
                        task: task.into(),
                        ..Default::default()
                    }),
                    ..Default::default()
                }),
                ..Default::default()
            };
            Key::of(Field::Task, Part::whole(&row))
        };
        let sorted = ["3", "20", "100", "Gopher", "accept", "block_on", "task 7"];
        assert!(sorted.is_sorted_by(|one, next| key(one) < key(next)));
        assert!(key("G9") < key("G10"));
        assert_eq!(key(""), Key::Absent);
    }
}
