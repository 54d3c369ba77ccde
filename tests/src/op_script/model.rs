//! What must come out: streams as unix(7) and Go's netpoller define them, without any descriptor.

use std::collections::VecDeque;

use super::script::{Deadline, IN_FLIGHT, Op, Outcome, READS, STREAMS};

/// What an operation may end with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    /// Nothing to report.
    Nothing,
    Exactly(Outcome),
    /// The peer has closed with bytes unread. The kernel reports that once, as a reset, to
    /// whichever call comes first, which may be one of its own making; whether it has is not in the
    /// model.
    EofOrReset,
    BrokenPipeOrReset,
}

impl Expected {
    pub(super) fn admits(&self, outcome: Option<&Outcome>) -> bool {
        match self {
            Expected::Nothing => outcome.is_none(),
            Expected::Exactly(expected) => outcome == Some(expected),
            Expected::EofOrReset => matches!(outcome, Some(Outcome::Eof | Outcome::Reset)),
            Expected::BrokenPipeOrReset => {
                matches!(outcome, Some(Outcome::BrokenPipe | Outcome::Reset))
            }
        }
    }
}

#[derive(Debug)]
struct Stream {
    open: bool,
    /// Bytes that have arrived and were not read.
    inbox: VecDeque<u8>,
    /// The peer will not send any more.
    ended: bool,
    /// The peer closed with bytes unread.
    reset: bool,
    /// What it has written was ended by itself.
    shut: bool,
    read_deadline: Deadline,
    write_deadline: Deadline,
    /// Sizes of the pending reads, in the order in which they were started: each waits for the one
    /// before (semantics 60 to 63).
    reads: VecDeque<usize>,
    /// The next byte that it writes: a running number, so that a byte lost, doubled or moved is
    /// found.
    next: u8,
}

impl Stream {
    fn new() -> Self {
        Self {
            open: true,
            inbox: VecDeque::new(),
            ended: false,
            reset: false,
            shut: false,
            read_deadline: Deadline::None,
            write_deadline: Deadline::None,
            reads: VecDeque::new(),
            next: 0,
        }
    }

    /// How a read that is the first of its stream ends now; `None` if it waits.
    fn read(&mut self, size: usize) -> Option<Expected> {
        // A close beats a deadline, and both beat data (semantics 24).
        if !self.open {
            return Some(Expected::Exactly(Outcome::Closed));
        }
        if self.read_deadline == Deadline::Past {
            return Some(Expected::Exactly(Outcome::Timeout));
        }
        if !self.inbox.is_empty() {
            let size = size.min(self.inbox.len());
            return Some(Expected::Exactly(Outcome::Data(
                self.inbox.drain(..size).collect(),
            )));
        }
        if self.reset {
            return Some(Expected::EofOrReset);
        }
        self.ended.then_some(Expected::Exactly(Outcome::Eof))
    }
}

/// All streams.
#[derive(Debug)]
pub(super) struct Model {
    streams: [Stream; STREAMS],
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            streams: std::array::from_fn(|_| Stream::new()),
        }
    }

    /// Whether the operation means anything now.
    pub(super) fn admits(&self, stream: usize, op: Op) -> bool {
        let (this, peer) = (&self.streams[stream], &self.streams[stream ^ 1]);
        match op {
            Op::Read(_) => this.reads.len() < READS,
            Op::DropRead(place) => place < this.reads.len(),
            Op::Write(size) => peer.inbox.len() + size <= IN_FLIGHT,
            Op::Reopen => !this.open && !peer.open,
            Op::Close | Op::ShutdownWrite | Op::ReadDeadline(_) | Op::WriteDeadline(_) => this.open,
            Op::Break => true,
        }
    }

    /// Does the operation; how it ends, if it ends at once.
    pub(super) fn apply(&mut self, stream: usize, op: Op) -> Expected {
        match op {
            Op::Read(size) => self.streams[stream].reads.push_back(size),
            Op::DropRead(place) => drop(self.streams[stream].reads.remove(place)),
            Op::Write(size) => return self.write(stream, size),
            Op::ReadDeadline(deadline) => self.streams[stream].read_deadline = deadline,
            Op::WriteDeadline(deadline) => self.streams[stream].write_deadline = deadline,
            Op::ShutdownWrite => {
                self.streams[stream].shut = true;
                self.streams[stream ^ 1].ended = true;
            }
            Op::Close => {
                let unread = !self.streams[stream].inbox.is_empty();
                self.streams[stream].open = false;
                self.streams[stream].inbox.clear();
                let peer = &mut self.streams[stream ^ 1];
                peer.ended = true;
                peer.reset |= unread;
            }
            Op::Reopen => {
                self.streams[stream] = Stream::new();
                self.streams[stream ^ 1] = Stream::new();
            }
            Op::Break => {}
        }
        Expected::Nothing
    }

    fn write(&mut self, stream: usize, size: usize) -> Expected {
        let peer_open = self.streams[stream ^ 1].open;
        let this = &mut self.streams[stream];
        if !this.open {
            return Expected::Exactly(Outcome::Closed);
        }
        if this.write_deadline == Deadline::Past {
            return Expected::Exactly(Outcome::Timeout);
        }
        if this.shut || !peer_open {
            return if this.reset {
                Expected::BrokenPipeOrReset
            } else {
                Expected::Exactly(Outcome::BrokenPipe)
            };
        }
        let bytes: Vec<u8> = (0..size).map(|_| next(&mut this.next)).collect();
        self.streams[stream ^ 1].inbox.extend(bytes);
        Expected::Exactly(Outcome::Written(size))
    }

    /// Ends the reads of a stream that can end, in order.
    pub(super) fn settle(&mut self, stream: usize) -> Vec<Expected> {
        let this = &mut self.streams[stream];
        let mut ended = Vec::new();
        while let Some(size) = this.reads.front().copied() {
            let Some(expected) = this.read(size) else {
                break;
            };
            this.reads.pop_front();
            ended.push(expected);
        }
        ended
    }

    /// Streams with somebody parked: of several readers only the first is, the others wait for
    /// their turn.
    pub(super) fn parked(&self) -> usize {
        self.streams
            .iter()
            .filter(|stream| !stream.reads.is_empty())
            .count()
    }
}

/// The running number of a stream's bytes.
pub(super) fn next(number: &mut u8) -> u8 {
    let byte = *number;
    *number = number.wrapping_add(1);
    byte
}
