//! Dense ids: what is shown has a small number, that of its place in a table, and a number that is
//! free is used again.
//!
//! tokio-console never forgets a number it has seen, and what it was told by a process that is gone
//! stays on its screen. Small numbers, used again and again, are the remedy for both: the set of
//! all numbers there can be is known, so whoever subscribes is told of each of them what lives
//! there or that nothing does.
//!
//! What has ended leaves a tombstone until its number is used again. For ten minutes it says all
//! that was last known, so that a client that was away for a moment sees it end as it did.

use std::collections::VecDeque;

/// A number is not used again before this is over: a row that ended stays on the screen for some
/// seconds.
const REST_NS: u64 = 10_000_000_000;

/// For so long a tombstone says what lay there,
const REMEMBERED_NS: u64 = 600_000_000_000;
/// and no more than so many of one table do.
const MAX_REMEMBERED: usize = 4096;

/// What has a number.
pub(super) trait Entity {
    fn created_ns(&self) -> u64;

    /// It has ended: what nobody asks of a tombstone need not be kept.
    fn shrink(&mut self) {}
}

/// From when to when something lived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Life {
    pub(super) created_ns: u64,
    pub(super) dropped_ns: u64,
}

/// What is known of one number.
#[derive(Debug)]
pub(super) enum State<E> {
    Live(E),
    /// A tombstone, kept until the number is used again.
    Dead(Life),
}

#[derive(Debug)]
pub(super) struct Place<E> {
    pub(super) state: State<E>,
    /// What it was, of a tombstone that is not too old.
    pub(super) last: Option<E>,
    /// The sample in which what lives here began.
    pub(super) born: u64,
    /// The sample in which it last changed.
    pub(super) version: u64,
}

/// Numbers 1 to `limit`, and who has them.
#[derive(Debug)]
pub(super) struct Table<E> {
    places: Vec<Place<E>>,
    /// Of those that ended, the one that did so first is in front.
    free: VecDeque<u64>,
    /// So many in front say no more than that they ended, and when.
    forgotten: usize,
    limit: usize,
}

impl<E: Entity> Table<E> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            places: Vec::new(),
            free: VecDeque::new(),
            forgotten: 0,
            limit,
        }
    }

    /// Gives `entity` a number, `None` if there is none left.
    pub(super) fn insert(&mut self, entity: E, sample: u64, now_ns: u64) -> Option<u64> {
        let full = self.places.len() >= self.limit;
        let rested = self.free.front().is_some_and(|id| match self.state(*id) {
            Some(State::Dead(life)) => full || life.dropped_ns + REST_NS <= now_ns,
            _ => false,
        });
        let place = Place {
            state: State::Live(entity),
            last: None,
            born: sample,
            version: sample,
        };
        let id = if rested {
            let id = self.free.pop_front()?;
            self.forgotten = self.forgotten.saturating_sub(1);
            *self.places.get_mut(index(id)?)? = place;
            id
        } else if full {
            return None;
        } else {
            self.places.push(place);
            self.places.len() as u64
        };
        Some(id)
    }

    /// Changes what lives at `id`; `change` says whether it did.
    pub(super) fn update(&mut self, id: u64, sample: u64, change: impl FnOnce(&mut E) -> bool) {
        let place = index(id).and_then(|index| self.places.get_mut(index));
        if let Some(place) = place
            && let State::Live(entity) = &mut place.state
            && change(entity)
        {
            place.version = sample;
        }
    }

    /// Ends what lives at `id`.
    pub(super) fn end(&mut self, id: u64, sample: u64, dropped_ns: u64) {
        let place = index(id).and_then(|index| self.places.get_mut(index));
        if let Some(place) = place
            && let State::Live(entity) = &place.state
        {
            let created_ns = entity.created_ns();
            let life = Life {
                created_ns,
                dropped_ns: dropped_ns.max(created_ns),
            };
            if let State::Live(mut entity) = std::mem::replace(&mut place.state, State::Dead(life))
            {
                entity.shrink();
                place.last = Some(entity);
            }
            place.version = sample;
            self.free.push_back(id);
        }
    }

    /// Forgets what lay under tombstones that are too old, or too many.
    pub(super) fn forget(&mut self, now_ns: u64) {
        while let Some(id) = self.free.get(self.forgotten) {
            let place = index(*id).and_then(|index| self.places.get_mut(index));
            let Some(place) = place else {
                return;
            };
            let is_old = match &place.state {
                State::Dead(life) => life.dropped_ns + REMEMBERED_NS <= now_ns,
                State::Live(_) => true,
            };
            if !is_old && self.free.len() - self.forgotten <= MAX_REMEMBERED {
                return;
            }
            place.last = None;
            self.forgotten += 1;
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<&E> {
        match self.state(id)? {
            State::Live(entity) => Some(entity),
            State::Dead(_) => None,
        }
    }

    /// The sample in which what lives at `id` began.
    pub(super) fn born(&self, id: u64) -> Option<u64> {
        let place = self.places.get(index(id)?)?;
        matches!(place.state, State::Live(_)).then_some(place.born)
    }

    /// All numbers that were ever used, with what is known of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Place<E>)> {
        (1..).zip(&self.places)
    }

    /// The numbers that were never used.
    pub(super) fn unused(&self) -> std::ops::RangeInclusive<u64> {
        self.places.len() as u64 + 1..=self.limit as u64
    }

    fn state(&self, id: u64) -> Option<&State<E>> {
        self.places.get(index(id)?).map(|place| &place.state)
    }
}

fn index(id: u64) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(u64);

    impl Entity for Thing {
        fn created_ns(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn numbers_begin_at_one_and_a_free_one_rests_before_it_is_used_again() {
        let mut table = Table::new(3);
        let first = table.insert(Thing(5), 1, 5).unwrap();
        assert_eq!(first, 1);
        table.end(first, 2, 6);
        assert_eq!(table.insert(Thing(7), 3, 7), Some(2), "1 is resting");
        assert_eq!(table.insert(Thing(8), 4, 6 + REST_NS), Some(1));
        assert_eq!(table.unused(), 3..=3);
    }

    #[test]
    fn a_full_table_uses_the_number_that_ended_first_and_refuses_only_when_all_live() {
        let mut table = Table::new(2);
        table.insert(Thing(1), 1, 1);
        table.insert(Thing(1), 1, 1);
        assert_eq!(table.insert(Thing(1), 1, 1), None);
        table.end(2, 2, 2);
        table.end(1, 2, 3);
        assert_eq!(table.insert(Thing(4), 3, 4), Some(2));
    }

    #[test]
    fn the_end_leaves_a_tombstone_that_does_not_lie_before_the_beginning() {
        let mut table = Table::new(2);
        table.insert(Thing(10), 1, 10);
        table.end(1, 2, 3);
        assert!(table.get(1).is_none() && table.born(1).is_none());
        let place = table.iter().next().unwrap().1;
        let State::Dead(life) = &place.state else {
            panic!("it is dead")
        };
        assert_eq!((life.created_ns, life.dropped_ns), (10, 10));
        // Told once is enough.
        table.end(1, 9, 9);
        assert_eq!(table.iter().next().unwrap().1.version, 2);
    }

    /// How many tombstones still say what lay there.
    fn remembered(table: &Table<Thing>) -> usize {
        table
            .iter()
            .filter(|(_, place)| place.last.is_some())
            .count()
    }

    #[test]
    fn a_tombstone_says_for_ten_minutes_what_lay_there_and_then_only_that_it_ended() {
        let mut table = Table::new(9);
        for _ in 0..3 {
            table.insert(Thing(1), 1, 1);
        }
        table.end(2, 2, 5);
        table.end(1, 2, 9);
        table.forget(4 + REMEMBERED_NS);
        assert_eq!(remembered(&table), 2);
        table.forget(5 + REMEMBERED_NS);
        assert_eq!(remembered(&table), 1);
        // Whoever takes a number takes the tombstone away, and the next one is as old as it was.
        assert_eq!(table.insert(Thing(6), 3, 6 + REST_NS), Some(2));
        table.forget(8 + REMEMBERED_NS);
        assert_eq!(remembered(&table), 1);
        table.forget(9 + REMEMBERED_NS);
        assert_eq!(remembered(&table), 0);
        let dead =
            |place: &Place<Thing>| matches!(place.state, State::Dead(Life { dropped_ns: 9, .. }));
        assert!(
            dead(table.iter().next().unwrap().1),
            "that it ended is kept"
        );
    }

    #[test]
    fn no_more_tombstones_than_a_few_thousand_say_what_lay_there_and_those_the_last() {
        let mut table = Table::new(MAX_REMEMBERED + 9);
        for _ in 0..MAX_REMEMBERED + 9 {
            table.insert(Thing(1), 1, 1);
        }
        (1..=MAX_REMEMBERED as u64 + 9).for_each(|id| table.end(id, 2, id));
        table.forget(MAX_REMEMBERED as u64);
        assert_eq!(remembered(&table), MAX_REMEMBERED);
        let first = table.iter().find(|(_, place)| place.last.is_some());
        assert_eq!(first.unwrap().0, 10);
    }

    #[test]
    fn only_a_change_raises_the_version() {
        let mut table = Table::new(1);
        table.insert(Thing(0), 1, 0);
        table.update(1, 2, |_| false);
        assert_eq!(table.iter().next().unwrap().1.version, 1);
        table.update(1, 3, |thing| std::mem::replace(&mut thing.0, 1) == 0);
        assert_eq!(table.iter().next().unwrap().1.version, 3);
        table.update(7, 3, |_| unreachable!("nothing lives there"));
    }
}
