//! Whether a lane is parked: asked of the poller's own tables, so that these are tested too.

use netpoller::view::{self, Side, State};
use netpoller::{Direction, Poller};

use super::lane::Lane;
use super::thing::Thing;

/// The side of a thing that somebody may wait for.
fn side(poller: &Poller, thing: &Thing, direction: Direction) -> Option<Side> {
    let id = thing.id()?;
    let page = view::page(poller, id.slot, 1);
    let row = page.rows.into_iter().find(|row| row.id() == id)?;
    // A torn row may mix two moments: the next look decides.
    if row.torn {
        return None;
    }
    Some(match direction {
        Direction::Read => row.read,
        Direction::Write => row.write,
    })
}

/// Who is parked on a side, by the name of the task, or of the thread where there is no task.
fn parked_on(side: &Side) -> Option<&str> {
    if side.state != State::Parked {
        return None;
    }
    let waiter = side.waiter.as_ref()?;
    Some(if waiter.task.is_empty() {
        &waiter.thread
    } else {
        &waiter.task
    })
}

/// Whether `lane` is parked in the poller.
pub(super) fn is_parked(poller: &Poller, lane: &Lane) -> bool {
    let Some((on, direction)) = lane.waits_for() else {
        return false;
    };
    side(poller, on, direction).is_some_and(|side| parked_on(&side) == Some(&lane.name))
}

/// Whether `lane` waits for the descriptor's lock, which one of `others` holds: those lanes that
/// run on the same thing in the same direction and have not ended.
///
/// The table tells how many wait, not who. But if somebody else is parked, and as many wait as
/// there are lanes beside that one, then this lane is among them.
pub(super) fn is_locked_out(poller: &Poller, lane: &Lane, others: &[&Lane]) -> bool {
    let Some((on, direction)) = lane.waits_for() else {
        return false;
    };
    let Some(side) = side(poller, on, direction) else {
        return false;
    };
    let holder = parked_on(&side);
    others.iter().any(|other| holder == Some(&other.name)) && on.queued(direction) == others.len()
}
