//! A poller, what is shown of it, and a client that is told.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::task::{Context, Waker};

use netpoller_core::internals::{RawRow, Slot};
use netpoller_core::{Desc, Kind, Poller};

use super::validate::{Client, Known};
use crate::console::live::{Live, Look};
use crate::console::model::{Model, Sizes};
use crate::console::process::Process;
use crate::console::update::ClientView;

/// A model and a client of it.
pub(super) struct Script {
    pub(super) poller: Poller,
    pub(super) model: Model<Live>,
    pub(super) view: ClientView,
    pub(super) client: Client,
    /// What its clock is ahead, in nanoseconds.
    pub(super) ahead_ns: u64,
}

impl Script {
    pub(super) fn new(name: &str) -> Self {
        Self::with(name, Sizes::default())
    }

    /// Of which no more is shown than this.
    pub(super) fn with(name: &str, sizes: Sizes) -> Self {
        let model = Model::new(Live::new(), sizes);
        Self {
            poller: Poller::builder().name(name).build().unwrap(),
            view: ClientView::nothing(&model, false),
            model,
            client: Client::default(),
            ahead_ns: 0,
        }
    }

    /// Looks, and tells the client. Returns how many messages that took.
    #[track_caller]
    pub(super) fn look(&mut self) -> usize {
        self.look_untold();
        tell(&self.model, &mut self.view, &mut self.client)
    }

    /// Looks, and tells nobody.
    pub(super) fn look_untold(&mut self) {
        self.look_through(|slot| slot.read());
    }

    /// Looks by rows that are read so, and tells nobody.
    pub(super) fn look_through(&mut self, read: fn(Slot<'_>) -> Option<RawRow>) {
        self.model.look(Look { read, ..self.now() });
    }

    /// What there is to look at.
    pub(super) fn now(&self) -> Look {
        let now = Look::at(vec![self.poller.clone()]);
        Look {
            now_ns: now.now_ns + self.ahead_ns,
            ..now
        }
    }

    pub(super) fn live(&self, kind: &str) -> Vec<(u64, Known)> {
        let mut found: Vec<_> = Client::live(&self.client.resources)
            .filter(|(_, known)| known.kind == kind)
            .map(|(id, known)| (id, known.clone()))
            .collect();
        found.sort_by_key(|(id, _)| *id);
        found
    }

    pub(super) fn ops(&self) -> Vec<Known> {
        Client::live(&self.client.ops)
            .map(|(_, known)| known.clone())
            .collect()
    }
}

#[track_caller]
pub(super) fn tell(
    model: &Model<impl Process>,
    view: &mut ClientView,
    client: &mut Client,
) -> usize {
    let updates = view.updates(model);
    assert!(
        !updates.is_empty(),
        "the client counts time by the messages"
    );
    for update in &updates {
        client.take(update).unwrap();
    }
    updates.len()
}

pub(super) fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

pub(super) fn open(poller: &Poller, socket: &UnixStream) -> Desc {
    poller.open(socket.as_fd(), Kind::Unix).unwrap()
}

#[track_caller]
pub(super) fn park(wait: std::pin::Pin<&mut impl Future>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.poll(&mut cx).is_pending());
}
