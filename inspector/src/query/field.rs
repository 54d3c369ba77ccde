//! The fields that a filter can speak of.

use netpoller_proto::v1::{DescriptorKind, State};

/// A field of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Fd,
    Slot,
    Kind,
    Local,
    Peer,
    Label,
    Poller,
    State,
    Rd,
    Wr,
    Dir,
    Since,
    Deadline,
    Opened,
    Edges,
    Where,
    Task,
    Thread,
    Closing,
    Error,
    Torn,
}

/// What a field holds, and so what it can be compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Type {
    /// Text; `~` asks whether it contains a word.
    Text,
    /// Text of which all values are known.
    OneOf(fn() -> Vec<&'static str>),
    /// A number; `k`, `M` and `G` are understood.
    Number,
    /// A duration as `5s`, `10ms`, `2min`.
    Duration,
}

fn states() -> Vec<&'static str> {
    State::ALL.iter().map(|state| state.name()).collect()
}

fn kinds() -> Vec<&'static str> {
    DescriptorKind::ALL.iter().map(|kind| kind.name()).collect()
}

fn sides() -> Vec<&'static str> {
    vec!["read", "write"]
}

fn truths() -> Vec<&'static str> {
    vec!["true", "false"]
}

/// Every name with its field; a field can have several names.
pub(crate) const NAMES: [(&str, Field); 27] = [
    ("id", Field::Id),
    ("fd", Field::Fd),
    ("slot", Field::Slot),
    ("kind", Field::Kind),
    ("local", Field::Local),
    ("peer", Field::Peer),
    ("label", Field::Label),
    ("poller", Field::Poller),
    ("state", Field::State),
    ("rd", Field::Rd),
    ("read.state", Field::Rd),
    ("wr", Field::Wr),
    ("write.state", Field::Wr),
    ("dir", Field::Dir),
    ("since", Field::Since),
    ("age", Field::Since),
    ("waiter.age", Field::Since),
    ("deadline", Field::Deadline),
    ("opened", Field::Opened),
    ("edges", Field::Edges),
    ("where", Field::Where),
    ("location", Field::Where),
    ("task", Field::Task),
    ("thread", Field::Thread),
    ("closing", Field::Closing),
    ("error", Field::Error),
    ("torn", Field::Torn),
];

impl Field {
    /// What it can be compared with.
    pub(crate) fn kind(self) -> Type {
        match self {
            Self::Id
            | Self::Local
            | Self::Peer
            | Self::Label
            | Self::Poller
            | Self::Where
            | Self::Task
            | Self::Thread => Type::Text,
            Self::Kind => Type::OneOf(kinds),
            Self::State | Self::Rd | Self::Wr => Type::OneOf(states),
            Self::Dir => Type::OneOf(sides),
            Self::Closing | Self::Error | Self::Torn => Type::OneOf(truths),
            Self::Fd | Self::Slot | Self::Edges => Type::Number,
            Self::Since | Self::Deadline | Self::Opened => Type::Duration,
        }
    }
}
