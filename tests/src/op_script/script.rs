//! The operations of a script.

/// Streams in a script; stream `i` is connected to stream `i ^ 1`.
pub(super) const STREAMS: usize = 4;
/// Reads pending on one stream at most.
pub(super) const READS: usize = 3;
/// Bytes on the way to one stream at most: far below what a socket holds, so that a write never
/// waits.
pub(super) const IN_FLIGHT: usize = 4096;

/// One operation on a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    /// Starts a read of up to so many bytes; it stays pending until it is done or dropped.
    Read(usize),
    /// Drops the pending read with this place in the queue.
    DropRead(usize),
    /// Writes so many bytes.
    Write(usize),
    /// Sets the read deadline.
    ReadDeadline(Deadline),
    /// Sets the write deadline.
    WriteDeadline(Deadline),
    /// Ends what is written.
    ShutdownWrite,
    /// Closes it for all who use it.
    Close,
    /// Replaces a pair of which both ends are closed by a new one, which takes over descriptor
    /// numbers and slots.
    Reopen,
    /// Asks for a break.
    Break,
}

/// A deadline that does not depend on how fast the machine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deadline {
    None,
    Past,
    /// In an hour.
    Far,
}

impl Deadline {
    pub(super) fn of(byte: u8) -> Self {
        match byte % 3 {
            0 => Deadline::None,
            1 => Deadline::Past,
            _ => Deadline::Far,
        }
    }
}

/// How a read or a write has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The bytes read.
    Data(Vec<u8>),
    /// So many bytes were written.
    Written(usize),
    Eof,
    Timeout,
    Closed,
    Reset,
    BrokenPipe,
    /// None of those, in words: always wrong.
    Other(String),
}

/// The operations that the bytes stand for, three for each: every list of bytes is a script.
pub(super) fn decode(bytes: &[u8]) -> impl Iterator<Item = (usize, Op)> + '_ {
    bytes.chunks_exact(3).map(|op| {
        let (stream, size) = (usize::from(op[1]) % STREAMS, usize::from(op[2]));
        let op = match op[0] % 16 {
            0..=3 => Op::Read(size + 1),
            4..=6 => Op::Write(size + 1),
            7 => Op::DropRead(size % READS),
            8 | 9 => Op::ReadDeadline(Deadline::of(op[2])),
            10 => Op::WriteDeadline(Deadline::of(op[2])),
            11 => Op::ShutdownWrite,
            12 => Op::Close,
            13 | 14 => Op::Reopen,
            _ => Op::Break,
        };
        (stream, op)
    })
}
