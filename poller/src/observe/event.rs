//! What the flight recorder records, by name.

use super::{Direction, Transition};

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// What happened. The first [`Transition::COUNT`] are the transitions of a word, with the same names.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum EventKind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl EventKind {
            /// All, in the order of the protocol, whose numbers begin with 1.
            pub const ALL: [EventKind; [$($name),+].len()] = [$(EventKind::$variant),+];

            /// The name in tables and in the protocol.
            pub fn name(self) -> &'static str {
                match self {
                    $(EventKind::$variant => $name,)+
                }
            }
        }
    };
}

events! {
    /// nil → wait.
    Arm => "arm",
    /// wait → parked.
    Park => "park",
    /// parked → wait.
    Rearm => "rearm",
    /// nil → ready.
    ReadyIdle => "ready_idle",
    /// wait → ready.
    ReadyArmed => "ready_armed",
    /// parked → ready.
    ReadyParked => "ready_parked",
    /// ready → ready.
    ReadyAgain => "ready_again",
    /// ready → nil by a wait.
    Consume => "consume",
    /// ready → nil by a reset.
    Reset => "reset",
    /// wait → nil. The argument is the [`Cause`].
    UnblockArmed => "unblock_armed",
    /// parked → nil. The argument is the [`Cause`].
    UnblockParked => "unblock_parked",
    /// wait → nil by the waiter.
    CancelArmed => "cancel_armed",
    /// parked → nil because the future was dropped.
    CancelParked => "cancel_parked",
    /// ready → nil because the slot was freed.
    Recycled => "recycled",
    /// A descriptor was registered, or a sleep begun. The argument is the file descriptor.
    Opened => "opened",
    /// It was deregistered. The argument is the file descriptor.
    Closed => "closed",
    /// It was evicted, by close or on request.
    Evicted => "evicted",
    /// The kernel reported an event. The argument are its raw epoll bits.
    Event => "event",
    /// An event for a descriptor that is gone. The argument are its raw epoll bits.
    StaleEvent => "stale_event",
    /// The error state of reads was set.
    EventErrSet => "event_err_set",
    /// It was cleared.
    EventErrCleared => "event_err_cleared",
    /// A deadline was set. The argument is the duration until it, in microseconds.
    DeadlineSet => "deadline_set",
    /// A deadline was cleared.
    DeadlineCleared => "deadline_cleared",
    /// A deadline was set that had passed already.
    DeadlinePast => "deadline_past",
    /// The queue looked at a deadline that had been moved.
    DeadlineExtended => "deadline_extended",
    /// A deadline fired. The argument is how late, in microseconds.
    DeadlineFired => "deadline_fired",
    /// The queue looked at a deadline that was cleared, or whose descriptor is gone.
    DeadlineStale => "deadline_stale",
    /// A break was requested and written to the eventfd.
    BreakWritten => "break_written",
    /// A break was requested while one was pending.
    BreakCoalesced => "break_coalesced",
    /// A poll took the break.
    BreakDrained => "break_drained",
    /// `epoll_wait` returned. The argument is the number of events.
    Poll => "poll",
    /// `epoll_wait` was interrupted by a signal.
    PollEintr => "poll_eintr",
    /// A waiter ran after it was woken. The argument is the whole wake latency in nanoseconds, at most `u32::MAX`.
    Run => "run",
}

impl EventKind {
    #[inline]
    pub(super) fn from_u8(kind: u8) -> EventKind {
        Self::ALL
            .get(usize::from(kind))
            .copied()
            .unwrap_or(EventKind::Poll)
    }

    /// The transition it is, if it is one.
    pub fn transition(self) -> Option<Transition> {
        Transition::ALL.get(self as usize).copied()
    }
}

impl From<Transition> for EventKind {
    #[inline]
    fn from(transition: Transition) -> Self {
        Self::from_u8(transition as u8)
    }
}

/// Why a waiter was released.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Cause {
    /// An event of the kernel.
    Io = 0,
    /// Its deadline.
    Deadline = 1,
    /// Close or eviction.
    Close = 2,
}

impl Cause {
    /// `io`, `deadline` or `close`.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Io => "io",
            Cause::Deadline => "deadline",
            Cause::Close => "close",
        }
    }

    #[inline]
    pub(crate) fn from_u8(cause: u8) -> Cause {
        match cause {
            1 => Cause::Deadline,
            2 => Cause::Close,
            _ => Cause::Io,
        }
    }
}

/// A descriptor as instrumentation names it. [`DescId::NONE`] for what belongs to the poller itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct DescId {
    pub(crate) slot: u32,
    /// 0 is never live.
    pub(crate) generation: u32,
}

impl DescId {
    pub(crate) const NONE: DescId = DescId {
        slot: 0,
        generation: 0,
    };

    #[inline]
    pub(super) fn pack(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation)
    }

    #[inline]
    pub(super) fn unpack(word: u64) -> DescId {
        DescId {
            slot: (word >> 32) as u32,
            generation: word as u32,
        }
    }
}

/// One entry of the flight recorder, as a ring holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawEvent {
    pub(crate) at_ns: u64,
    pub(crate) desc: DescId,
    pub(crate) direction: Option<Direction>,
    pub(crate) kind: EventKind,
    pub(crate) argument: u32,
}

impl RawEvent {
    /// ```text
    /// word 0: when · word 1: slot, generation · word 2: argument, (unused), direction, kind
    /// ```
    #[inline]
    pub(super) fn pack(self) -> [u64; 3] {
        let direction = self.direction.map_or(0, |direction| direction as u64 + 1);
        let what = u64::from(self.argument) << 32 | direction << 8 | self.kind as u64;
        [self.at_ns, self.desc.pack(), what]
    }

    pub(super) fn unpack([at_ns, desc, what]: [u64; 3]) -> Self {
        RawEvent {
            at_ns,
            desc: DescId::unpack(desc),
            direction: match (what >> 8) as u8 {
                1 => Some(Direction::Read),
                2 => Some(Direction::Write),
                _ => None,
            },
            kind: EventKind::from_u8(what as u8),
            argument: (what >> 32) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_kinds_are_the_transitions() {
        for transition in Transition::ALL {
            let kind = EventKind::from(transition);
            assert_eq!(kind.name(), transition.name());
            assert_eq!(kind.transition(), Some(transition));
        }
        assert_eq!(EventKind::Opened.transition(), None);
    }

    #[test]
    fn an_event_survives_packing() {
        for (index, kind) in EventKind::ALL.into_iter().enumerate() {
            let event = RawEvent {
                at_ns: u64::MAX - index as u64,
                desc: DescId {
                    slot: 7,
                    generation: u32::MAX,
                },
                direction: [None, Some(Direction::Read), Some(Direction::Write)][index % 3],
                kind,
                argument: u32::MAX - 1,
            };
            assert_eq!(RawEvent::unpack(event.pack()), event);
        }
    }
}
