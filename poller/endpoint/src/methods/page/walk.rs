//! Through the table, some rows at a time.
//!
//! The endpoint has one thread. A table of twenty thousand rows takes tens of milliseconds, in
//! which nobody else would be answered; so whoever walks lets others be served after every
//! [`CHUNK`] slots.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use netpoller_core::Poller;
use netpoller_core::internals::{self, Slot};
use netpoller_proto::Part;
use netpoller_proto::filter::Key;
use netpoller_proto::v1::Descriptor;
use prost::Message;
use tonic::Status;

use super::filter::Selection;
use super::order::{Order, Place};
use crate::guard::guarded;
use crate::packer::Room;

/// Slots that are looked at without a pause: about a millisecond, if every row is wanted and the
/// kernel is asked for its addresses.
pub(super) const CHUNK: u32 = 256;

/// Visits the slots of `pollers` from one on, in the order of the table, until `visit` has seen
/// enough.
pub(in crate::methods) async fn walk(
    pollers: &[Poller],
    (first_poller, first_slot): (u32, u32),
    mut visit: impl FnMut(&Poller, Slot<'_>) -> ControlFlow<()>,
) -> Result<(), Status> {
    for poller in pollers {
        let mut from = match internals::id(poller).cmp(&first_poller) {
            Ordering::Less => continue,
            Ordering::Equal => first_slot,
            Ordering::Greater => 0,
        };
        // What is opened while it walks need not be seen.
        let end = internals::slots_made(poller);
        while from < end {
            let chunk = || {
                let mut slots = internals::slots(poller, from).take(CHUNK as usize);
                slots.try_for_each(|slot| visit(poller, slot))
            };
            if guarded(chunk)?.is_break() {
                return Ok(());
            }
            from = from.saturating_add(CHUNK);
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Rows from a slot of a poller on, and where the next page begins.
pub(super) async fn in_order_of_the_table(
    pollers: &[Poller],
    selection: &Selection,
    first: (u32, u32),
    limit: usize,
) -> Result<(Vec<Descriptor>, Option<(u32, u32)>), Status> {
    let mut reader = selection.reader();
    let mut rows = Vec::new();
    let mut room = Room::new(limit);
    let mut next = None;
    walk(pollers, first, |poller, slot| {
        let Some(row) = selection.row(&mut reader, poller, slot) else {
            return ControlFlow::Continue(());
        };
        if !room.take(row.encoded_len()) {
            next = Some((internals::id(poller), row.slot));
            return ControlFlow::Break(());
        }
        rows.push(row);
        ControlFlow::Continue(())
    })
    .await?;
    Ok((rows, next))
}

/// The rows that come first after a place in this order, and the place of the last of them if there
/// are more.
pub(super) async fn in_another_order(
    pollers: &[Poller],
    selection: &Selection,
    order: Order,
    after: Option<&Place>,
    limit: usize,
) -> Result<(Vec<Descriptor>, Option<Place>), Status> {
    let mut reader = selection.reader();
    // Of those seen so far; the last one on top, to give way to one that comes before it.
    let mut first: BinaryHeap<Placed> = BinaryHeap::with_capacity(limit + 1);
    let mut more = false;
    walk(pollers, (0, 0), |poller, slot| {
        let Some(row) = selection.row(&mut reader, poller, slot) else {
            return ControlFlow::Continue(());
        };
        let place = Place {
            key: Key::of(order.field, Part::whole(&row)),
            descending: order.descending,
            poller: internals::id(poller),
            slot: row.slot,
            generation: row.generation,
        };
        if after.is_some_and(|after| place <= *after) {
            return ControlFlow::Continue(());
        }
        if first.len() == limit {
            more = true;
            if first.peek().is_some_and(|last| place > last.place) {
                return ControlFlow::Continue(());
            }
            first.pop();
        }
        first.push(Placed { place, row });
        ControlFlow::Continue(())
    })
    .await?;
    let mut rows: Vec<Descriptor> = Vec::new();
    let mut last = None;
    let mut room = Room::new(limit);
    for Placed { place, row } in first.into_sorted_vec() {
        if !room.take(row.encoded_len()) {
            more = true;
            break;
        }
        rows.push(row);
        last = Some(place);
    }
    Ok((rows, last.filter(|_| more)))
}

/// A row at its place.
struct Placed {
    place: Place,
    row: Descriptor,
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Placed {}
