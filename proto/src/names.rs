//! The names by which people and JSON documents call what the protocol numbers.
//!
//! They live beside the types so that the table, the JSON document, the metric label and the console agree.

use std::fmt;
use std::str::FromStr;

use crate::v1::{
    Cause, Descriptor, DescriptorKind, Direction, EventKind, Mode, State, Transitions,
};

impl State {
    /// Every state that a word can be in.
    pub const ALL: [Self; 4] = [Self::Nil, Self::Ready, Self::Wait, Self::Parked];

    /// `nil`, `ready`, `wait` or `parked`; `unknown` for a state that a later version of the protocol added.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::Nil => "nil",
            Self::Ready => "ready",
            Self::Wait => "wait",
            Self::Parked => "parked",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl DescriptorKind {
    /// Every kind that this version of the protocol knows.
    pub const ALL: [Self; 10] = [
        Self::Tcp,
        Self::TcpListener,
        Self::Udp,
        Self::Unix,
        Self::UnixListener,
        Self::UnixDatagram,
        Self::UnixSeqpacket,
        Self::Pipe,
        Self::Other,
        Self::Timer,
    ];

    /// The name in snake case, for example `tcp_listener`; `unknown` for a kind that a later version added.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::Tcp => "tcp",
            Self::TcpListener => "tcp_listener",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::UnixListener => "unix_listener",
            Self::UnixDatagram => "unix_datagram",
            Self::UnixSeqpacket => "unix_seqpacket",
            Self::Pipe => "pipe",
            Self::Other => "other",
            Self::Timer => "timer",
        }
    }
}

impl fmt::Display for DescriptorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl EventKind {
    /// Every kind that this version of the protocol knows.
    pub const ALL: [Self; 33] = [
        Self::Arm,
        Self::Park,
        Self::Rearm,
        Self::ReadyIdle,
        Self::ReadyArmed,
        Self::ReadyParked,
        Self::ReadyAgain,
        Self::Consume,
        Self::Reset,
        Self::UnblockArmed,
        Self::UnblockParked,
        Self::CancelArmed,
        Self::CancelParked,
        Self::Recycled,
        Self::Opened,
        Self::Closed,
        Self::Evicted,
        Self::Event,
        Self::StaleEvent,
        Self::EventErrSet,
        Self::EventErrCleared,
        Self::DeadlineSet,
        Self::DeadlineCleared,
        Self::DeadlinePast,
        Self::DeadlineExtended,
        Self::DeadlineFired,
        Self::DeadlineStale,
        Self::BreakWritten,
        Self::BreakCoalesced,
        Self::BreakDrained,
        Self::Poll,
        Self::PollEintr,
        Self::Run,
    ];

    /// The name in snake case, for example `ready_parked`; `unknown` for a kind that a later version added.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::Arm => "arm",
            Self::Park => "park",
            Self::Rearm => "rearm",
            Self::ReadyIdle => "ready_idle",
            Self::ReadyArmed => "ready_armed",
            Self::ReadyParked => "ready_parked",
            Self::ReadyAgain => "ready_again",
            Self::Consume => "consume",
            Self::Reset => "reset",
            Self::UnblockArmed => "unblock_armed",
            Self::UnblockParked => "unblock_parked",
            Self::CancelArmed => "cancel_armed",
            Self::CancelParked => "cancel_parked",
            Self::Recycled => "recycled",
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Evicted => "evicted",
            Self::Event => "event",
            Self::StaleEvent => "stale_event",
            Self::EventErrSet => "event_err_set",
            Self::EventErrCleared => "event_err_cleared",
            Self::DeadlineSet => "deadline_set",
            Self::DeadlineCleared => "deadline_cleared",
            Self::DeadlinePast => "deadline_past",
            Self::DeadlineExtended => "deadline_extended",
            Self::DeadlineFired => "deadline_fired",
            Self::DeadlineStale => "deadline_stale",
            Self::BreakWritten => "break_written",
            Self::BreakCoalesced => "break_coalesced",
            Self::BreakDrained => "break_drained",
            Self::Poll => "poll",
            Self::PollEintr => "poll_eintr",
            Self::Run => "run",
        }
    }
}

impl FromStr for EventKind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or(UnknownName)
    }
}

impl Mode {
    /// `read` or `write`; nothing for neither.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Unspecified => None,
            Self::Read => Some("read"),
            Self::Write => Some("write"),
        }
    }
}

impl Cause {
    /// `io`, `deadline` or `close`; `unknown` for a cause that a later version added.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unknown",
            Self::Io => "io",
            Self::Deadline => "deadline",
            Self::Close => "close",
        }
    }
}

/// The text is not the name of a value of the enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownName;

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such name in version 1 of the protocol")
    }
}

impl std::error::Error for UnknownName {}

impl FromStr for State {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or(UnknownName)
    }
}

impl FromStr for DescriptorKind {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or(UnknownName)
    }
}

impl Descriptor {
    /// The id by which people call the descriptor, `slot.generation`. It is unique within its poller.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}.{}", self.slot, self.generation)
    }

    /// The id that [`crate::v1::WatchFrame::removes`] carries, `poller/slot.generation`. It is unique in the process.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}.{}", self.poller, self.slot, self.generation)
    }
}

impl Direction {
    /// True while a waiter is parked, or about to be.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.state(), State::Wait | State::Parked)
    }
}

impl Transitions {
    /// Every transition with its name, in the order of the design's table.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 14] {
        [
            ("arm", self.arm),
            ("park", self.park),
            ("rearm", self.rearm),
            ("ready_idle", self.ready_idle),
            ("ready_armed", self.ready_armed),
            ("ready_parked", self.ready_parked),
            ("ready_again", self.ready_again),
            ("consume", self.consume),
            ("reset", self.reset),
            ("unblock_armed", self.unblock_armed),
            ("unblock_parked", self.unblock_parked),
            ("cancel_armed", self.cancel_armed),
            ("cancel_parked", self.cancel_parked),
            ("recycled", self.recycled),
        ]
    }

    /// Edges that the kernel reported for this direction.
    #[must_use]
    pub const fn edges(&self) -> u64 {
        self.ready_idle
            .saturating_add(self.ready_armed)
            .saturating_add(self.ready_parked)
            .saturating_add(self.ready_again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for state in State::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        for kind in DescriptorKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for kind in EventKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert_eq!("unknown".parse::<State>(), Err(UnknownName));
    }

    #[test]
    fn names_are_those_of_the_protocol_in_lower_case() {
        for kind in DescriptorKind::ALL {
            assert_eq!(
                format!("DESCRIPTOR_KIND_{}", kind.name().to_uppercase()),
                kind.as_str_name()
            );
        }
        for kind in EventKind::ALL {
            assert_eq!(
                format!("EVENT_KIND_{}", kind.name().to_uppercase()),
                kind.as_str_name()
            );
        }
        for state in State::ALL {
            assert_eq!(
                format!("STATE_{}", state.name().to_uppercase()),
                state.as_str_name()
            );
        }
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
        assert_eq!(row.id(), "42.7");
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
}
