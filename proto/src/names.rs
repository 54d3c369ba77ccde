//! The words for what the protocol numbers: from the enums of the messages to those of the
//! [`vocabulary`].

use std::fmt;
use std::str::FromStr;

use crate::v1::{self, Descriptor, Transitions};
use crate::vocabulary::{self, Cause, DescId, Transition, UnknownName, transitions};

/// Gives an enum of the protocol the words of the vocabulary.
macro_rules! words {
    ($($wire:ident is $word:ident,)+) => {$(
        impl v1::$wire {
            /// Returns the word for it; `None` for one that a later version of the protocol added.
            #[must_use]
            pub const fn word(self) -> Option<vocabulary::$word> {
                vocabulary::$word::from_number(self as i32)
            }
        }

        impl From<vocabulary::$word> for v1::$wire {
            fn from(word: vocabulary::$word) -> Self {
                Self::try_from(word.number()).unwrap_or_default()
            }
        }

        impl FromStr for v1::$wire {
            type Err = UnknownName;

            fn from_str(name: &str) -> Result<Self, UnknownName> {
                name.parse::<vocabulary::$word>().map(Self::from)
            }
        }
    )+};
}

words! {
    State is State,
    DescriptorKind is Kind,
    EventKind is EventKind,
    Cause is Cause,
    LineKind is LineKind,
    Mode is Direction,
}

/// What people read in place of a number: the word, or else `unknown`.
macro_rules! named {
    ($($wire:ident,)+) => {$(
        impl v1::$wire {
            /// Returns the name in the vocabulary; `unknown` for one that a later version of the
            /// protocol added.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.word() {
                    Some(word) => word.name(),
                    None => "unknown",
                }
            }
        }

        impl fmt::Display for v1::$wire {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    )+};
}

named! { State, DescriptorKind, EventKind, Cause, LineKind, }

impl v1::Mode {
    /// Returns `read` or `write`; nothing for neither.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self.word() {
            Some(direction) => Some(direction.name()),
            None => None,
        }
    }
}

impl v1::Event {
    /// Returns why a waiter was released, if one was.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        let argument = i32::try_from(self.argument).ok();
        let kind = self.kind().word()?;
        kind.cause(argument.and_then(Cause::from_number))
    }
}

impl Descriptor {
    /// Returns the id by which people call the descriptor, `slot.generation`. It is unique within
    /// its poller.
    #[must_use]
    pub fn id(&self) -> DescId {
        DescId {
            slot: self.slot,
            generation: self.generation,
        }
    }

    /// Returns the id that [`crate::v1::WatchFrame::removes`] carries, `poller/slot.generation`. It
    /// is unique in the process.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.poller, self.id())
    }
}

impl v1::Direction {
    /// Returns whether somebody waits: parked, about to be, woken without having run, or queued.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        use v1::State::{Parked, Queued, Wait, Woken};
        matches!(self.state(), Wait | Parked | Woken | Queued)
    }
}

/// Gives the message a field for each transition.
macro_rules! fields {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $field:literal $event:literal $name:ident: $from:ident => $to:ident,
    )+) => {
        impl Transitions {
            /// Makes one of a count for each transition.
            #[must_use]
            pub fn from_fn(mut count: impl FnMut(Transition) -> u64) -> Self {
                Self {
                    $($name: count(Transition::$variant),)+
                }
            }

            /// Returns the count of a transition.
            #[must_use]
            pub const fn get(&self, transition: Transition) -> u64 {
                match transition {
                    $(Transition::$variant => self.$name,)+
                }
            }
        }
    };
}

transitions!(fields);

impl Transitions {
    /// Returns every transition's name with its count, in the order of the tables.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); Transition::COUNT] {
        Transition::ALL.map(|transition| (transition.name(), self.get(transition)))
    }

    /// Returns how many edges the kernel reported for this direction.
    #[must_use]
    pub fn edges(&self) -> u64 {
        Transition::edges().fold(0, |sum, it| sum.saturating_add(self.get(it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{DescriptorKind, EventKind, State};

    #[test]
    fn every_name_reads_back() {
        for word in vocabulary::State::ALL {
            assert_eq!(word.name().parse(), Ok(State::from(word)));
        }
        for word in vocabulary::Kind::ALL {
            assert_eq!(word.name().parse(), Ok(DescriptorKind::from(word)));
        }
        for word in vocabulary::EventKind::ALL {
            assert_eq!(EventKind::from(word).to_string(), word.name());
            assert_eq!(EventKind::from(word).word(), Some(word));
        }
        assert_eq!("unknown".parse::<State>(), Err(UnknownName));
        assert_eq!(State::Unspecified.name(), "unknown");
    }

    #[test]
    fn names_obey_width() {
        assert_eq!(format!("[{:>7}]", State::Nil), "[    nil]");
    }

    #[test]
    fn a_descriptor_has_two_ids() {
        let row = Descriptor {
            poller: "global".into(),
            slot: 42,
            generation: 7,
            ..Descriptor::default()
        };
        assert_eq!(row.id().to_string(), "42.7");
        assert_eq!(row.key(), "global/42.7");
    }

    #[test]
    fn an_edge_is_counted_once_whatever_it_met() {
        let counts = Transitions {
            ready_idle: 1,
            ready_armed: 2,
            ready_parked: 4,
            ready_again: 8,
            consume: 99,
            ..Default::default()
        };
        assert_eq!(counts.edges(), 15);
    }

    #[test]
    fn each_transition_has_its_own_field() {
        let counts = Transitions::from_fn(|transition| transition.number() as u64);
        for (transition, (name, count)) in Transition::ALL.into_iter().zip(counts.named()) {
            assert_eq!(
                (name, count),
                (transition.name(), transition.number() as u64)
            );
        }
    }
}
