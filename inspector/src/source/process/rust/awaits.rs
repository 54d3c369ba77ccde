//! Where a future that waits is: from `.await` to `.await`, to what is awaited last.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::kept::Call;
use super::super::memory::Memory;
use super::known::Known;
use super::text::tidy;
use super::types::{Discriminant, Place, Progress, Shape, State, Type};

/// Futures within one another.
const MOST_CALLS: usize = 64;
/// What is looked through to find one.
const MOST_STEPS: usize = 1024;

/// A future in the memory of a program.
struct Walk<'k, M> {
    known: &'k mut Known,
    memory: M,
    /// How far the program was moved to where it runs.
    bias: u64,
    /// Types and addresses at which it was.
    seen: HashSet<(usize, u64)>,
}

/// Something at an address.
struct At {
    kind: Arc<Type>,
    address: u64,
}

/// What is found where a future is expected.
enum Found {
    /// A future as rustc makes it, and in which state it is.
    Async(At, State),
    /// A future of which no more is known than its name.
    Named(String),
}

/// Reads where the future of this type is that lies at `address`; the innermost call first.
pub(super) fn read(
    known: &mut Known,
    memory: &impl Memory,
    bias: u64,
    kind: usize,
    address: u64,
) -> Option<Vec<Call>> {
    let mut walk = Walk {
        known,
        memory,
        bias,
        seen: HashSet::new(),
    };
    let (mut calls, mut next) = (Vec::new(), Some((kind, address)));
    while let (Some((kind, address)), 0..MOST_CALLS) = (next.take(), calls.len()) {
        let (function, location) = match walk.find(kind, address) {
            Some(Found::Async(at, state)) => {
                next = state.awaited.map(|it| at.member(it));
                (tidy(&at.kind.name), state.location.unwrap_or_default())
            }
            Some(Found::Named(name)) => (name, String::new()),
            None => break,
        };
        calls.push(Call { function, location });
    }
    calls.reverse();
    (!calls.is_empty()).then_some(calls)
}

impl At {
    fn member(&self, place: Place) -> (usize, u64) {
        (place.kind, self.address.wrapping_add(place.offset))
    }
}

impl<M: Memory> Walk<'_, M> {
    /// Finds the future that is in what lies at an address; `None` if it is in no state in which
    /// it can wait.
    fn find(&mut self, kind: usize, address: u64) -> Option<Found> {
        let mut at = self.visit(kind, address)?;
        if let Shape::Async(discriminant, states) = &at.kind.shape {
            let state = self.state(&at, *discriminant, states)?;
            return Some(Found::Async(at, state));
        }
        // What it is if no more is found in it.
        let mut name = tidy(&at.kind.name);
        while let Some((kind, address, is_any)) = self.inside(&at) {
            let Some(inside) = self.visit(kind, address) else {
                break;
            };
            at = inside;
            if is_any {
                name = tidy(&at.kind.name);
            }
            let Shape::Async(discriminant, states) = &at.kind.shape else {
                continue;
            };
            let state = self.state(&at, *discriminant, states);
            // If it was not begun, what holds it waits for something else.
            if let Some(state) = state.filter(|it| it.progress == Progress::Suspended) {
                return Some(Found::Async(at, state));
            }
            break;
        }
        Some(Found::Named(name))
    }

    /// Goes where it was not yet.
    fn visit(&mut self, kind: usize, address: u64) -> Option<At> {
        let is_new = self.seen.len() < MOST_STEPS && self.seen.insert((kind, address));
        let kind = is_new.then(|| self.known.kind(kind))??;
        Some(At { kind, address })
    }

    /// Returns the one thing in which there is a future, and whether its type is known only now.
    fn inside(&mut self, at: &At) -> Option<(usize, u64, bool)> {
        let (kind, address) = match &at.kind.shape {
            Shape::Async(..) | Shape::Several | Shape::Other => return None,
            Shape::Inside(place) => at.member(*place),
            Shape::Choice(discriminant, variants) => {
                let number = self.number(at, *discriminant)?;
                let is_it = |value: Option<u64>| value == Some(number);
                let known = variants.iter().find(|(value, _)| is_it(*value));
                let other = || variants.iter().find(|(value, _)| value.is_none());
                at.member(known.or_else(other)?.1)
            }
            Shape::Pointer(kind) => (*kind, self.word(at.address)?),
            Shape::Any(pointer, table) => {
                let address = self.word(at.address.wrapping_add(*pointer))?;
                let table = self.word(at.address.wrapping_add(*table))?;
                return Some((self.kind_of(table)?, address, true));
            }
        };
        Some((kind, address, false))
    }

    /// Finds out which type this table of functions is for.
    fn kind_of(&mut self, table: u64) -> Option<usize> {
        let [_, size, alignment, poll] = self.memory.words::<4>(table)?;
        let place = self.known.polled(poll.wrapping_sub(self.bias))?;
        let kind = self.known.kind(place)?;
        let is_it = kind.size == size && kind.alignment.is_none_or(|it| it == alignment);
        is_it.then_some(place)
    }

    /// Reads in which state a future is, but for one that is over.
    fn state(&self, at: &At, discriminant: Discriminant, states: &[State]) -> Option<State> {
        let number = self.number(at, discriminant)?;
        let state = states.iter().find(|it| it.value == number)?;
        (state.progress != Progress::Over).then(|| state.clone())
    }

    fn number(&self, at: &At, discriminant: Discriminant) -> Option<u64> {
        let mut bytes = [0; 8];
        let read = bytes.get_mut(..discriminant.size)?;
        let address = at.address.wrapping_add(discriminant.offset);
        self.memory
            .read(address, read)
            .then(|| u64::from_le_bytes(bytes))
    }

    fn word(&self, address: u64) -> Option<u64> {
        let [word] = self.memory.words(address)?;
        Some(word)
    }
}
