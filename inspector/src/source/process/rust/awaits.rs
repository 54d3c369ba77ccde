//! Where a future that waits is: from `.await` to `.await`, to what is awaited last.
//!
//! What is awaited last may hold several futures, of which nothing says for which one it waits, or
//! a closure that does so: `select!`, `join!`, whatever a library has written by hand. All of these
//! that are suspended are then found.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::kept::Call;
use super::super::memory::{Memory, word};
use super::known::Known;
use super::text::{is_own, tidy};
use super::types::{self, Discriminant, Progress, Shape, State, Type};

/// Futures within one another.
const MOST_CALLS: usize = 64;
/// What is looked through to find one.
const MOST_STEPS: usize = 1024;
/// Futures that hold several, within one another.
const MOST_LEVELS: u32 = 16;
/// Bytes of the innermost future, in which a place is looked for.
const LARGEST_LEAF: u64 = 4 << 10;

/// Calls that a future is in, the innermost first.
pub(super) type Calls = Vec<Call>;

/// Where a future is.
#[derive(Debug, Default)]
pub(super) struct Awaits {
    pub(super) calls: Calls,
    /// Futures that are suspended in what the innermost of these calls awaits, and have a line of
    /// the program's own.
    pub(super) within: Vec<Calls>,
    /// The place that is looked for is in the innermost of these calls.
    pub(super) is_at: bool,
}

/// A place in a list of those who wait, which a future has in itself beside the address of what it
/// waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Place {
    pub(in super::super) address: u64,
    /// What it waits for.
    pub(in super::super) of: u64,
}

/// A future in the memory of a program.
pub(super) struct Walk<'k, M> {
    pub(super) known: &'k mut Known,
    memory: M,
    /// How far the program was moved to where it runs.
    pub(super) bias: u64,
    /// What is looked for.
    place: Option<Place>,
    /// Types and addresses at which it was.
    seen: HashSet<(usize, u64)>,
    /// There may be more than was looked at.
    is_cut: bool,
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
    /// A future of which no more is known than its name, and what it was found in.
    Named(String, At),
}

/// Reads where the future of this type is that lies at `address`; `None` if it does not wait. If
/// it is known at which place it does, that is where it is among several.
pub(super) fn read(
    known: &mut Known,
    memory: &impl Memory,
    bias: u64,
    (kind, address): (usize, u64),
    place: Option<Place>,
) -> Option<Awaits> {
    let awaits = Walk::new(known, memory, bias, place).begin(kind, address);
    (!awaits.calls.is_empty()).then_some(awaits)
}

impl At {
    fn member(&self, place: types::Place) -> (usize, u64) {
        (place.kind, self.address.wrapping_add(place.offset))
    }
}

impl<'k, M: Memory> Walk<'k, M> {
    pub(super) fn new(known: &'k mut Known, memory: M, bias: u64, place: Option<Place>) -> Self {
        Self {
            known,
            memory,
            bias,
            place,
            seen: HashSet::new(),
            is_cut: false,
        }
    }

    /// Follows a future from its beginning.
    pub(super) fn begin(&mut self, kind: usize, address: u64) -> Awaits {
        self.seen.clear();
        self.is_cut = false;
        let mut awaits = self.follow(kind, address, 0);
        // Whether it is the only one cannot be said.
        if self.is_cut {
            awaits.within.clear();
        }
        awaits
    }

    /// Follows a future from call to call.
    fn follow(&mut self, kind: usize, address: u64, level: u32) -> Awaits {
        let (mut awaits, mut next) = (Awaits::default(), Some((kind, address)));
        let mut within = None;
        while let (Some((kind, address)), 0..MOST_CALLS) = (next.take(), awaits.calls.len()) {
            let (function, location) = match self.find(kind, address) {
                Some(Found::Async(at, state)) => {
                    next = state.awaited.map(|it| at.member(it));
                    (tidy(&at.kind.name), state.location.unwrap_or_default())
                }
                Some(Found::Named(name, at)) => {
                    match level {
                        0..MOST_LEVELS => {
                            within = self.search(&at, &mut awaits.within, level.saturating_add(1));
                        }
                        _ => self.is_cut |= !at.kind.parts.is_empty(),
                    }
                    awaits.is_at = within.is_some() || self.is_in(&at);
                    (name, String::new())
                }
                None => break,
            };
            awaits.calls.push(Call { function, location });
        }
        if let Some(calls) = within {
            awaits.calls.extend(calls.into_iter().rev());
        }
        awaits.calls.reverse();
        awaits
    }

    /// Finds the futures that are suspended in what lies there, and have a line of the program's
    /// own; returns the calls of the one that is at the place that is looked for, whatever it is.
    fn search(&mut self, at: &At, found: &mut Vec<Calls>, level: u32) -> Option<Calls> {
        let mut open: Vec<_> = at.kind.parts.iter().map(|it| at.member(*it)).collect();
        while let Some((kind, address)) = open.pop() {
            let Some(at) = self.look(kind, address) else {
                continue;
            };
            if let Shape::Async(discriminant, states) = &at.kind.shape {
                let state = self.state(&at, *discriminant, states);
                if state.is_none_or(|it| it.progress != Progress::Suspended) {
                    continue;
                }
                let Awaits {
                    calls,
                    within,
                    is_at,
                } = self.follow(kind, address, level);
                if is_at {
                    found.clear();
                    return Some(calls);
                }
                match calls.iter().any(|call| is_own(&call.location)) {
                    true => found.push(calls),
                    false => found.extend(within),
                }
                continue;
            }
            self.seen.insert((kind, address));
            let inside = self.inside(&at).map(|(kind, address, _)| (kind, address));
            // It may be any, or several.
            let is_unknown = matches!(at.kind.shape, Shape::Any(..)) && inside.is_none();
            self.is_cut |= is_unknown || at.kind.is_opaque;
            open.extend(inside);
            open.extend(at.kind.parts.iter().map(|it| at.member(*it)));
        }
        None
    }

    /// Whether the place that is looked for is in what lies there.
    fn is_in(&self, at: &At) -> bool {
        let Some(place) = self.place else {
            return false;
        };
        let into = place.address.wrapping_sub(at.address);
        let size = at.kind.size;
        if into >= size || size > LARGEST_LEAF {
            return false;
        }
        let size = usize::try_from(size).unwrap_or_default();
        let bytes = self.memory.bytes(at.address, size).unwrap_or_default();
        let mut words = (0..bytes.len() / 8).filter_map(|index| word(&bytes, index * 8));
        words.any(|word| word == place.of)
    }

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
        Some(Found::Named(name, at))
    }

    /// Goes where it was not yet.
    fn visit(&mut self, kind: usize, address: u64) -> Option<At> {
        let at = self.look(kind, address)?;
        self.seen.insert((kind, address));
        Some(at)
    }

    /// Looks where it was not yet.
    fn look(&mut self, kind: usize, address: u64) -> Option<At> {
        if self.seen.contains(&(kind, address)) {
            return None;
        }
        self.is_cut |= self.seen.len() == MOST_STEPS;
        let kind = (!self.is_cut).then(|| self.known.kind(kind))??;
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
        let address = at.address.wrapping_add(discriminant.offset);
        let bytes = self.memory.bytes(address, discriminant.size)?;
        Some(number_in(&bytes))
    }

    fn word(&self, address: u64) -> Option<u64> {
        let [word] = self.memory.words(address)?;
        Some(word)
    }
}

/// A number of no more than eight bytes.
pub(super) fn number_in(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
}
