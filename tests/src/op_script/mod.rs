//! Scripts of operations on connected streams, run against the poller and against a model that
//! knows what must come out.
//!
//! A script is a list of bytes, so that a fuzzer and a property test make the same ones. After each
//! operation the poller is polled without waiting; then every pending read must be done exactly if
//! the model says so, with exactly the outcome that the model gives. At the end the laws of the
//! poller must balance and nothing may be left of it.
//!
//! | file | holds |
//! |---|---|
//! | `script` | the operations |
//! | `model` | what must come out |
//! | `world` | what comes out |

mod model;
mod script;
mod world;

use model::Model;
use script::decode;
use world::World;

/// Runs the script that `bytes` stand for.
///
/// # Panics
///
/// If anything differs from what the model says, with the operation after which it did.
pub fn run(bytes: &[u8]) {
    let mut world = World::new();
    let mut model = Model::new();
    for (place, (stream, op)) in decode(bytes).enumerate() {
        // What the model knows to be impossible is left out: a fourth reader, more bytes than a
        // socket holds.
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
