//! The descriptors that are followed, one for each slot: it has one life at a time.

use std::collections::HashMap;
use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, Event, EventKind};
use netpoller_proto::vocabulary::{Cause, Direction};

use super::tracks::Lanes;
use super::wait::Side;

/// A descriptor, by poller and id.
pub(crate) type Key = (String, String);

/// A descriptor that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) key: Key,
    pub(super) own: u64,
    pub(super) sides: [Side; 2],
    /// As it was seen last.
    pub(super) row: Option<Arc<Descriptor>>,
    /// Nothing has said what it is: it is drawn with the sleeps until something says that it is
    /// none.
    pub(super) may_be_sleep: bool,
}

/// All that are followed.
#[derive(Debug, Default)]
pub(super) struct Descriptors {
    of_slots: HashMap<Key, Followed>,
}

impl Followed {
    pub(super) fn new(key: Key, lanes: Lanes, may_be_sleep: bool) -> Self {
        let side = |direction: Direction| Side::new(lanes.sides[direction.index()], direction);
        Self {
            key,
            own: lanes.own,
            sides: Direction::ALL.map(side),
            row: None,
            may_be_sleep,
        }
    }

    /// Is drawn there from here on; what goes on is where it was.
    pub(super) fn go(&mut self, lanes: Lanes) {
        self.own = lanes.own;
        for side in &mut self.sides {
            side.track = lanes.sides[side.direction.index()];
        }
        self.may_be_sleep = false;
    }

    pub(super) fn saw(&mut self, row: &Arc<Descriptor>) {
        for side in &mut self.sides {
            side.saw(row);
        }
        self.row = Some(Arc::clone(row));
    }

    /// The same of a row that was read after so much was lost.
    pub(super) fn confirm(&mut self, row: &Arc<Descriptor>, lost: u64) {
        for side in &mut self.sides {
            side.confirm(row, lost);
        }
        self.row = Some(Arc::clone(row));
    }
}

impl Descriptors {
    pub(super) fn len(&self) -> usize {
        self.of_slots.len()
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Followed> {
        let of_slot = self.of_slots.get_mut(&slot(key));
        of_slot.filter(|it| it.key == *key)
    }

    /// Whether its slot has a later life already.
    pub(super) fn is_over(&self, key: &Key) -> bool {
        let now = self.of_slots.get(&slot(key));
        now.is_some_and(|it| generation(&it.key) > generation(key))
    }

    /// Follows it; gives who had the slot before.
    pub(super) fn insert(&mut self, followed: Followed) -> Option<Followed> {
        self.of_slots.insert(slot(&followed.key), followed)
    }

    /// Follows it no longer.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Followed> {
        self.get_mut(key)?;
        self.of_slots.remove(&slot(key))
    }

    /// Follows none any longer.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Followed> + use<> {
        std::mem::take(&mut self.of_slots).into_values()
    }

    /// Those of whom it is not known who waits, or not whether they do so still.
    pub(super) fn unseen(&self, lost: u64) -> Vec<Key> {
        let all = self.of_slots.values();
        all.filter(|it| it.sides.iter().any(|side| side.is_unseen(lost)))
            .map(|it| it.key.clone())
            .collect()
    }
}

/// The number of its slot; all of an id that has none.
pub(super) fn slot_of(id: &str) -> &str {
    id.split_once('.').map_or(id, |(slot, _)| slot)
}

fn slot((poller, id): &Key) -> Key {
    (poller.clone(), slot_of(id).to_owned())
}

fn generation((_, id): &Key) -> u32 {
    let generation = id.split_once('.').and_then(|(_, it)| it.parse().ok());
    generation.unwrap_or_default()
}

/// The number of the file, where an event has it; of a sleep it is -1.
pub(super) fn fd(event: &Event) -> Option<i32> {
    #[allow(clippy::cast_possible_truncation)] // As its kind says.
    let fd = event.argument as i32;
    matches!(event.kind(), EventKind::Opened | EventKind::Closed).then_some(fd)
}

/// Whether a sleep may do so: it has one direction and waits for its deadline alone. The first that
/// is told of one is hardly that it is parked, for that comes at once when it has begun.
pub(super) fn may_be_of_sleep(event: &Event, is_first: bool) -> bool {
    if event.direction().word() == Some(Direction::Write) {
        return false;
    }
    match event.kind() {
        EventKind::UnblockParked | EventKind::UnblockArmed => {
            event.cause() == Some(Cause::Deadline)
        }
        EventKind::CancelArmed
        | EventKind::CancelParked
        | EventKind::DeadlineSet
        | EventKind::DeadlineCleared
        | EventKind::DeadlinePast
        | EventKind::Run
        | EventKind::Evicted => true,
        EventKind::Park | EventKind::Rearm => !is_first,
        EventKind::Closed => fd(event) == Some(-1),
        _ => false,
    }
}
