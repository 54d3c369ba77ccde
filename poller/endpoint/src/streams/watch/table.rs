//! What a subscriber was told of the table of one poller, and what to tell it next.
//!
//! Ten thousand rows, most of which have not changed, are compared each time. So what was told is
//! kept as a number: the rows themselves are half a kilobyte each, and reading that much besides
//! the slots costs more than the comparison.

use std::hash::{BuildHasher, Hash};

use netpoller_core::Poller;
use netpoller_core::internals;
use netpoller_core::view::{Reader, Socket, Sockets};
use rapidhash::quality::GlobalState;

use super::group::Group;
use crate::methods::page::Filter;

/// What of a socket is worth telling anew: its times are known to within some milliseconds, so that
/// they differ each time they are read.
fn lasting(socket: Socket) -> impl Hash {
    let queues = (socket.recvq, socket.sendq, socket.acceptq, socket.drops);
    let sent = (socket.unacked, socket.unsent, socket.retrans);
    let bytes = (socket.bytes_received, socket.bytes_sent);
    (socket.inode, socket.tcp_state, queues, sent, bytes)
}

/// The rows that a subscriber knows, by slot.
pub(super) struct Table {
    poller: String,
    told: Vec<Option<Told>>,
    hasher: GlobalState,
}

struct Told {
    generation: u32,
    /// The filter held for it, so the subscriber knows it.
    shown: bool,
    /// Of the row as it was. That two rows of a slot have the same is less likely than that the
    /// machine errs.
    fingerprint: u64,
}

impl Table {
    pub(super) fn new(poller: &Poller) -> Self {
        Self {
            poller: poller.name().to_owned(),
            told: Vec::new(),
            hasher: GlobalState::new(),
        }
    }

    /// Compares each slot with what was told of it, and tells the difference.
    pub(super) fn tell(
        &mut self,
        poller: &Poller,
        filter: &Filter,
        (reader, sockets): (&mut Reader, Option<&Sockets>),
        redact: bool,
        group: &mut Group,
    ) {
        let made = internals::slots_made(poller) as usize;
        self.told.resize_with(made.max(self.told.len()), || None);
        for desc in internals::slots(poller, 0).take(made) {
            let slot = desc.index();
            let Some(row) = &desc.read() else {
                if let Some(told) = self.told[slot as usize].take() {
                    self.remove(slot, &told, group);
                    internals::forget(reader, internals::id(poller), slot);
                }
                continue;
            };
            let socket = sockets.and_then(|sockets| sockets.of(poller, row.id()));
            let fingerprint = self.hasher.hash_one((row, socket.map(lasting)));
            let before = self.told[slot as usize].as_ref();
            let is_the_same = before.is_some_and(|before| before.fingerprint == fingerprint);
            if is_the_same && !filter.depends_on_time() {
                continue;
            }
            let row_of = (poller, desc, row);
            let message = filter.row(reader, row_of, redact, group.captured_at_ns());
            let told = Told {
                generation: row.generation,
                shown: message.is_some(),
                fingerprint,
            };
            let before = self.told[slot as usize].replace(told);
            let before = before.filter(|before| before.shown);
            if let Some(before) = &before
                && (message.is_none() || before.generation != row.generation)
            {
                self.remove(slot, before, group);
            }
            if let Some(message) = message
                && !(is_the_same && before.is_some())
            {
                group.upsert(message);
            }
        }
    }

    /// The poller is gone, and its rows with it.
    pub(super) fn clear(&mut self, group: &mut Group) {
        for (slot, told) in std::mem::take(&mut self.told).iter().enumerate() {
            if let Some(told) = told {
                self.remove(slot as u32, told, group);
            }
        }
    }

    fn remove(&self, slot: u32, told: &Told, group: &mut Group) {
        if told.shown {
            group.remove(format!("{}/{slot}.{}", self.poller, told.generation));
        }
    }
}
