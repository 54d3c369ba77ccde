//! A program of Rust, as its own file tells of it: the names of its functions, the futures that its
//! tasks are, and where one of these waits.
//!
//! All of it is by debug information, which rustc writes as much of as whoever builds a program
//! wants: all of it, names without types, lines alone, or nothing. What is not there is not told.
//!
//! | file | holds |
//! |---|---|
//! | `sections`, `unit`, `index`, `reader` | debug information: its bytes, its units, what is where, its entries |
//! | `symbols` | names of functions without debug information |
//! | `types` | types, as far as they are futures or hold one |
//! | `known` | what is known of a program, read when it is asked for |
//! | `awaits` | where a future in memory waits |
//! | `blocked` | for which future a thread waits |
//! | `text` | names and how they are shown, paths and whose they are |

mod awaits;
mod blocked;
mod index;
mod known;
mod reader;
mod sections;
mod symbols;
mod text;
mod types;
mod unit;

use std::collections::HashMap;

use self::awaits::Awaits;
pub(super) use self::awaits::Place;
use self::known::Known;
pub(super) use self::text::is_own;
use self::types::{Progress, Shape, Type};
use super::image::Image;
use super::kept::{Call, Stack};
use super::memory::Memory;

/// The function of tokio's that polls a task, made for each type of future and of scheduler.
const POLL: &str = "tokio::runtime::task::raw::poll";
/// Futures that are known at a time.
const MOST_FUTURES: usize = 1 << 12;
/// Letters of the name of a function.
const LONGEST_NAME: usize = 4 << 10;

/// A program, at the addresses of its file.
pub(super) struct Program {
    known: Known,
    futures: HashMap<u64, Option<Future>>,
}

/// The future that a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Future {
    /// For people.
    pub(super) name: String,
    /// "file:line" of where it is written.
    pub(super) location: Option<String>,
    pub(super) size: Option<u64>,
    pub(super) alignment: Option<u64>,
    /// Where in the debug information its type is.
    kind: Option<usize>,
}

impl Program {
    pub(super) fn open(image: Image) -> Self {
        Self {
            known: Known::new(image),
            futures: HashMap::new(),
        }
    }

    /// Returns the name of the function that begins there; `None` also if that is several ones,
    /// made into one because they are the same code.
    pub(super) fn function(&mut self, address: u64) -> Option<String> {
        let name = self.known.name(address)?;
        Some(text::plain(name, LONGEST_NAME))
    }

    /// Returns the future for which this instance of tokio's `raw::poll` was made.
    pub(super) fn task(&mut self, poll: u64) -> Option<Future> {
        if let Some(known) = self.futures.get(&poll) {
            return known.clone();
        }
        let future = self.future(poll);
        if self.futures.len() == MOST_FUTURES {
            self.futures.clear();
        }
        self.futures.insert(poll, future.clone());
        future
    }

    fn future(&mut self, poll: u64) -> Option<Future> {
        let name = self.known.name(poll)?;
        let name = match text::parameters(name)? {
            (POLL, made_for) if made_for.len() == 2 => text::unboxed(made_for.first()?).to_owned(),
            _ => return None,
        };
        let place = self.known.made_for(poll);
        let kind = place.and_then(|it| self.known.kind(it));
        let whole = kind.as_ref().map(|it| self.known.unboxed(it));
        let location = match &whole {
            Some(kind) => begun(kind),
            None => text::body(&name).and_then(|it| self.known.written(&it)),
        };
        Some(Future {
            name: text::tidy(&name),
            location,
            size: kind.as_ref().map(|it| it.size),
            alignment: kind.as_ref().and_then(|it| it.alignment),
            kind: place,
        })
    }

    /// Reads where a future is that lies at `address` of a program which was moved by `bias`.
    /// `None` without debug information of its type.
    pub(super) fn awaits(
        &mut self,
        memory: &impl Memory,
        bias: u64,
        future: &Future,
        address: u64,
        place: Option<Place>,
    ) -> Option<Stack> {
        let at = (future.kind?, address);
        awaits::read(&mut self.known, memory, bias, at, place).map(stack)
    }

    /// Returns the future for which a thread waits in `block_on`, and where that is, by the place
    /// at which it waits: one of the threads whose stacks end at these addresses.
    pub(super) fn blocked(
        &mut self,
        memory: &impl Memory,
        bias: u64,
        place: Place,
        stacks: &[u64],
    ) -> Option<(Future, Stack)> {
        let (place, awaits) = blocked::find(&mut self.known, memory, bias, place, stacks)?;
        let kind = self.known.kind(place)?;
        let future = Future {
            name: text::tidy(&kind.name),
            location: begun(&kind),
            size: Some(kind.size),
            alignment: kind.alignment,
            kind: Some(place),
        };
        Some((future, stack(awaits)))
    }

    /// Gives up the room that is only needed to learn more of the program: after each look.
    pub(super) fn rest(&mut self) {
        self.known.rest();
    }
}

/// Where a future is written that rustc has made.
fn begun(kind: &Type) -> Option<String> {
    let Shape::Async(_, states) = &kind.shape else {
        return None;
    };
    let mut states = states.iter();
    let begun = states.find(|it| it.progress == Progress::Unresumed)?;
    begun.location.clone()
}

/// Makes a stack of the calls that a future is in.
fn stack(awaits: Awaits) -> Stack {
    let of = |calls: Vec<Call>| Stack {
        own: calls.iter().position(|it| is_own(&it.location)),
        calls,
        within: None,
    };
    let Awaits {
        calls, mut within, ..
    } = awaits;
    // Which one of several it waits for cannot be known.
    let within = within.pop().filter(|_| within.is_empty());
    Stack {
        within: within.map(|it| Box::new(of(it))),
        ..of(calls)
    }
}

#[cfg(test)]
mod tests;
