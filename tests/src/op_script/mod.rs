//! Scripts of operations on connected streams, run against the poller and against a model that knows what must come out.
//!
//! A script is a list of bytes, so that a fuzzer and a property test make the same ones. After each operation the poller is
//! polled without waiting; then every pending read must be done exactly if the model says so, with exactly the outcome that the
//! model gives. At the end the laws of the poller must balance and nothing may be left of it.
//!
//! | file | holds |
//! |---|---|
//! | `model` | what must come out |
//! | `world` | what comes out |

mod model;
mod world;

use model::Model;
use world::World;

/// Streams in a script; stream `i` is connected to stream `i ^ 1`.
const STREAMS: usize = 4;
/// Reads pending on one stream at most.
const READS: usize = 3;
/// Bytes on the way to one stream at most: far below what a socket holds, so that a write never waits.
const IN_FLIGHT: usize = 4096;

/// One operation on a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
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
    /// Replaces a pair of which both ends are closed by a new one, which takes over descriptor numbers and slots.
    Reopen,
    /// Asks for a break.
    Break,
}

/// A deadline that does not depend on how fast the machine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deadline {
    None,
    Past,
    /// In an hour.
    Far,
}

impl Deadline {
    fn of(byte: u8) -> Self {
        match byte % 3 {
            0 => Deadline::None,
            1 => Deadline::Past,
            _ => Deadline::Far,
        }
    }
}

/// How a read or a write has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Outcome {
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
fn decode(bytes: &[u8]) -> impl Iterator<Item = (usize, Op)> + '_ {
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

/// Runs the script that `bytes` stand for.
///
/// # Panics
///
/// If anything differs from what the model says, with the operation after which it did.
pub fn run(bytes: &[u8]) {
    let mut world = World::new();
    let mut model = Model::new();
    for (place, (stream, op)) in decode(bytes).enumerate() {
        // What the model knows to be impossible is left out: a fourth reader, more bytes than a socket holds.
        if !model.admits(stream, op) {
            continue;
        }
        let expected = model.apply(stream, op);
        let outcome = world.apply(stream, op);
        assert!(
            expected.admits(outcome.as_ref()),
            "operation {place}, {op:?} on stream {stream}: {outcome:?} instead of {expected:?}"
        );
        for (stream, ended) in world.settle().into_iter().enumerate() {
            let expected = model.settle(stream);
            let mut pairs = expected.iter().zip(&ended);
            assert!(
                expected.len() == ended.len()
                    && pairs.all(|(expected, ended)| expected.admits(Some(ended))),
                "after operation {place}, {op:?}, the reads of stream {stream} ended with {ended:?} instead of {expected:?}"
            );
        }
        world.check_waiters(model.parked());
    }
    world.finish();
}
