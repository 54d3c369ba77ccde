//! What a program's executable tells of its code, at the addresses where it runs.

use std::sync::Arc;

use crate::source::process::kept::Stack;
use crate::source::process::memory::Memory;
use crate::source::process::rust::Place;

/// The code of a program.
pub(super) trait Code {
    /// A future's type, as far as it is known.
    type Future;

    /// Whether there is code at this address.
    fn has(&self, address: u64) -> bool;

    /// Returns the name of the function that begins there, if that is known.
    fn name(&self, address: u64) -> Option<String>;

    /// Returns the future that this instance of `tokio::runtime::task::raw::poll` polls, as far as
    /// it is known.
    fn future(&self, poll: u64) -> Option<Arc<Self::Future>>;

    /// Returns the name of its type.
    fn type_of(future: &Self::Future) -> &str;

    /// Returns "file:line" of where it is written, if that is of the program's own.
    fn written(future: &Self::Future) -> Option<&str>;

    /// Returns its size and its alignment.
    fn layout(future: &Self::Future) -> Option<(u64, u64)>;

    /// Returns what the future at this address awaits, as far as it is known; it may be known at
    /// which place in a list it waits.
    fn awaits(
        &self,
        memory: &impl Memory,
        future: &Self::Future,
        address: u64,
        place: Option<Place>,
    ) -> Stack;

    /// Returns the future that a thread polls in `block_on` which waits at this place, and what
    /// that awaits, as far as it is known. The stacks of threads end at `stacks`.
    fn blocked(
        &self,
        memory: &impl Memory,
        place: Place,
        stacks: &[u64],
    ) -> Option<(Arc<Self::Future>, Stack)>;
}
