//! The fields that a filter and an order may name.

use crate::vocabulary::{Direction, Kind, State};

/// A field of a row. Its name is that of the column which shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `slot.generation`.
    Id,
    /// The file descriptor, -1 for a sleep.
    Fd,
    /// Index of the slot.
    Slot,
    /// What it is.
    Kind,
    /// Own address.
    Local,
    /// Address of the peer.
    Peer,
    /// Label set by the program.
    Label,
    /// Name of the poller.
    Poller,
    /// State of any direction that the row speaks of.
    State,
    /// State of the read side.
    Rd,
    /// State of the write side.
    Wr,
    /// The direction, in a table with a row for each.
    Dir,
    /// How long it has been as it is.
    Since,
    /// How long until the nearest deadline; negative when it was missed.
    Deadline,
    /// How long ago it was registered. Sorted by the moment, the oldest first.
    Opened,
    /// Edges that the kernel reported.
    Edges,
    /// Raw epoll bits of the last event.
    Events,
    /// The line of code that waits, or else the one that opened the descriptor.
    Where,
    /// Who waits.
    Task,
    /// The thread that parked, or last polled the task.
    Thread,
    /// What is unusual: `closing`, `error`, `torn`.
    Flags,
    /// Close has begun.
    Closing,
    /// The last event was EPOLLERR alone.
    Error,
    /// The row changed while it was read.
    Torn,
}

/// What a field holds, and so what it can be compared with.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// Text, compared without regard to case.
    Text,
    /// Text of which all values are known.
    OneOf(fn() -> Vec<&'static str>),
    /// A number.
    Number,
    /// A duration.
    Duration,
}

fn states() -> Vec<&'static str> {
    State::ALL.map(State::name).to_vec()
}

fn kinds() -> Vec<&'static str> {
    Kind::ALL.map(Kind::name).to_vec()
}

fn sides() -> Vec<&'static str> {
    Direction::ALL.map(Direction::name).to_vec()
}

fn truths() -> Vec<&'static str> {
    vec!["true", "false"]
}

impl Field {
    /// Every name with its field. A field can have several names; the first is that of its column.
    pub const NAMES: [(&'static str, Self); 29] = [
        ("id", Self::Id),
        ("fd", Self::Fd),
        ("slot", Self::Slot),
        ("kind", Self::Kind),
        ("local", Self::Local),
        ("peer", Self::Peer),
        ("label", Self::Label),
        ("poller", Self::Poller),
        ("state", Self::State),
        ("rd", Self::Rd),
        ("read.state", Self::Rd),
        ("wr", Self::Wr),
        ("write.state", Self::Wr),
        ("dir", Self::Dir),
        ("since", Self::Since),
        ("age", Self::Since),
        ("waiter.age", Self::Since),
        ("deadline", Self::Deadline),
        ("opened", Self::Opened),
        ("edges", Self::Edges),
        ("events", Self::Events),
        ("where", Self::Where),
        ("location", Self::Where),
        ("task", Self::Task),
        ("thread", Self::Thread),
        ("flags", Self::Flags),
        ("closing", Self::Closing),
        ("error", Self::Error),
        ("torn", Self::Torn),
    ];

    /// The field of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, field)| *field)
    }

    /// The name of its column.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, field)| *field == self)
            .map_or("", |(name, _)| name)
    }

    /// What it is, in a few words.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Id => "slot.generation, or POLLER/slot.generation",
            Self::Fd => "the file descriptor, -1 for a sleep",
            Self::Slot => "index of the slot",
            Self::Kind => "what it is",
            Self::Local => "own address",
            Self::Peer => "address of the peer",
            Self::Label => "label set by the program",
            Self::Poller => "name of the poller",
            Self::State => "state of any direction that the row speaks of",
            Self::Rd => "state of the read side",
            Self::Wr => "state of the write side",
            Self::Dir => "the direction, of waiters, deadlines and events",
            Self::Since => "how long it has been as it is",
            Self::Deadline => "time left until the nearest deadline",
            Self::Opened => "how long ago it was registered",
            Self::Edges => "edges that the kernel reported",
            Self::Events => "raw epoll bits of the last event",
            Self::Where => "the line of code that waits, or else that opened it",
            Self::Task => "who waits",
            Self::Thread => "the thread that parked, or last polled the task",
            Self::Flags => "what is unusual: closing, error, torn",
            Self::Closing => "close has begun",
            Self::Error => "the last event was EPOLLERR alone",
            Self::Torn => "the row changed while it was read",
        }
    }

    /// What it can be compared with.
    #[must_use]
    pub const fn kind(self) -> Type {
        match self {
            Self::Id
            | Self::Local
            | Self::Peer
            | Self::Label
            | Self::Poller
            | Self::Where
            | Self::Task
            | Self::Thread
            | Self::Flags => Type::Text,
            Self::Kind => Type::OneOf(kinds),
            Self::State | Self::Rd | Self::Wr => Type::OneOf(states),
            Self::Dir => Type::OneOf(sides),
            Self::Closing | Self::Error | Self::Torn => Type::OneOf(truths),
            Self::Fd | Self::Slot | Self::Edges | Self::Events => Type::Number,
            Self::Since | Self::Deadline | Self::Opened => Type::Duration,
        }
    }

    /// It can change while nothing happens to the descriptor.
    #[must_use]
    pub const fn is_of_time(self) -> bool {
        matches!(self, Self::Since | Self::Deadline | Self::Opened)
    }

    /// It is the same for both directions of a descriptor, so that it does not matter of which the row speaks.
    #[must_use]
    pub const fn is_of_the_whole(self) -> bool {
        matches!(
            self,
            Self::Id
                | Self::Fd
                | Self::Slot
                | Self::Kind
                | Self::Local
                | Self::Peer
                | Self::Label
                | Self::Poller
                | Self::Rd
                | Self::Wr
                | Self::Opened
                | Self::Events
                | Self::Flags
                | Self::Closing
                | Self::Error
                | Self::Torn
        )
    }

    /// It is a number or a word of a fixed set, so it is known without looking up a text or asking the kernel.
    #[must_use]
    pub const fn is_cheap(self) -> bool {
        matches!(
            self,
            Self::Id
                | Self::Fd
                | Self::Slot
                | Self::Kind
                | Self::State
                | Self::Rd
                | Self::Wr
                | Self::Since
                | Self::Deadline
                | Self::Opened
                | Self::Edges
                | Self::Events
                | Self::Flags
                | Self::Closing
                | Self::Error
                | Self::Torn
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_field_and_every_field_has_one() {
        for (name, field) in Field::NAMES {
            assert_eq!(Field::named(name), Some(field));
            assert_eq!(Field::named(field.name()), Some(field));
        }
        assert_eq!(Field::named("SINCE"), Some(Field::Since));
        assert_eq!(Field::named("sinse"), None);
    }
}
