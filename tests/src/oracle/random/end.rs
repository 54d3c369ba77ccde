//! What the generator knows of one end: what is on its way to it, and who waits there.

use std::collections::VecDeque;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Tcp,
    Unix,
    Packet,
    Gram,
    Udp,
    Reader,
    Writer,
    Listener,
}

impl Kind {
    /// Messages rather than bytes.
    pub(super) fn is_message(self) -> bool {
        matches!(self, Kind::Packet | Kind::Gram | Kind::Udp)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    Read,
    Recvfrom,
    Accept,
}

/// A lane that waits to read.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) lane: String,
    pub(super) how: How,
    pub(super) size: usize,
}

/// One end, as far as the generator knows.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The other end; its own index for a listener.
    pub(super) peer: usize,
    pub(super) closed: bool,
    /// The read and the write deadline have passed.
    pub(super) past: [bool; 2],
    /// What is to be read: messages, or pieces of the stream; connections of a listener.
    pub(super) inbox: VecDeque<usize>,
    /// Behind that is the end, or an error.
    pub(super) ended: bool,
    /// It has ended its own writing.
    pub(super) shut: bool,
    /// Its peer no longer takes anything, in a way whose moment nobody knows.
    pub(super) refused: bool,
    pub(super) waiting: VecDeque<Waiting>,
    /// A lane that is parked with a write too large.
    pub(super) writer: Option<String>,
    /// Its buffers are small, and full of an unknown number of bytes on the way to its peer.
    pub(super) full: bool,
}

impl End {
    /// An end whose peer has the index `peer`.
    pub(super) fn new(name: String, kind: Kind, peer: usize) -> Self {
        Self {
            name,
            kind,
            peer,
            closed: false,
            past: [false; 2],
            inbox: VecDeque::new(),
            ended: false,
            shut: false,
            refused: false,
            waiting: VecDeque::new(),
            writer: None,
            full: false,
        }
    }

    /// Whether an operation ends at once, when it has its turn.
    pub(super) fn is_ready(&self, waiting: &Waiting) -> bool {
        let nothing_wanted = waiting.how == How::Read && waiting.size == 0;
        self.closed || nothing_wanted || self.past[0] || !self.inbox.is_empty() || self.ended
    }

    /// Takes what an operation takes that ends.
    pub(super) fn consume(&mut self, waiting: &Waiting) {
        let nothing_wanted = waiting.how == How::Read && waiting.size == 0;
        if self.closed || nothing_wanted || self.past[0] {
            return;
        }
        if self.kind.is_message() || waiting.how == How::Accept {
            self.inbox.pop_front();
            return;
        }
        let mut room = waiting.size;
        while room > 0
            && let Some(piece) = self.inbox.front_mut()
        {
            let taken = room.min(*piece);
            *piece -= taken;
            room -= taken;
            if *piece == 0 {
                self.inbox.pop_front();
            }
        }
    }
}
