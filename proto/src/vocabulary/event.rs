//! Transitions of a word, and whatever else the flight recorder records.

use super::{Cause, State};

/// The table of transitions, given to another macro. A row is the doc, the variant, its number as a
/// field of `Transitions`, its number as an `EventKind`, and its name, which is also the name of
/// the field.
///
/// `recycled` is the last: no descriptor counts it, for it ends the life whose counts they are.
macro_rules! transitions {
    ($to:ident) => {
        $to! {
            /// nil → wait: a waiter begins.
            Arm = 1 1 arm: Nil => Wait,
            /// wait → parked: its waker is published.
            Park = 2 2 park: Wait => Parked,
            /// parked → wait: the same wait with another waker.
            Rearm = 3 3 rearm: Parked => Wait,
            /// nil → ready: an edge with nobody waiting.
            ReadyIdle = 4 4 ready_idle: Nil => Ready,
            /// wait → ready: an edge while the waiter was publishing its waker.
            ReadyArmed = 5 5 ready_armed: Wait => Ready,
            /// parked → ready: an edge that woke the waiter.
            ReadyParked = 6 6 ready_parked: Parked => Ready,
            /// ready → ready: an edge that told nothing new.
            ReadyAgain = 7 7 ready_again: Ready => Ready,
            /// ready → nil by a wait.
            Consume = 8 8 consume: Ready => Nil,
            /// ready → nil by the reset that begins an operation.
            Reset = 9 9 reset: Ready => Nil,
            /// wait → nil by deadline or close. The argument of its event is the cause.
            UnblockArmed = 10 10 unblock_armed: Wait => Nil,
            /// parked → nil by deadline or close, which woke the waiter. The argument of its event
            /// is the cause.
            UnblockParked = 11 11 unblock_parked: Parked => Nil,
            /// wait → nil: the waiter itself found, while arming, that it must not park.
            CancelArmed = 12 12 cancel_armed: Wait => Nil,
            /// parked → nil: the waiting future was dropped.
            CancelParked = 13 13 cancel_parked: Parked => Nil,
            /// ready → nil because the slot was freed with readiness left over.
            Recycled = 14 14 recycled: Ready => Nil,
        }
    };
}
#[cfg(feature = "messages")]
pub(crate) use transitions;

/// Makes the two enums of transitions and of events; the other events stand here.
macro_rules! events {
    (
        $(
            $(#[doc = $doc:literal])+
            $variant:ident = $field:literal $event:literal $name:ident: $from:ident => $to:ident,
        )+
    ) => {
        words! {
            /// A change of an rg or wg word. Every change is exactly one of these, counted where
            /// its CAS has won.
            Transition {
                $($(#[doc = $doc])+ $variant = $field $name,)+
            }
        }

        words! {
            /// What happened. The first are the transitions of a word, with the same names.
            EventKind {
                $($(#[doc = $doc])+ $variant = $event $name,)+
                /// A descriptor was registered, or a sleep begun. The argument is the file
                /// descriptor.
                Opened = 15 opened,
                /// It was deregistered. The argument is the file descriptor.
                Closed = 16 closed,
                /// It was evicted, by close or on request.
                Evicted = 17 evicted,
                /// The kernel reported an event. The argument are its raw epoll bits.
                Event = 18 event,
                /// An event for a descriptor that is gone. The argument are its raw epoll bits.
                StaleEvent = 19 stale_event,
                /// The error state of reads was set.
                EventErrSet = 20 event_err_set,
                /// It was cleared.
                EventErrCleared = 21 event_err_cleared,
                /// A deadline was set. The argument is the duration until it, in microseconds.
                DeadlineSet = 22 deadline_set,
                /// A deadline was cleared.
                DeadlineCleared = 23 deadline_cleared,
                /// A deadline was set that had passed already.
                DeadlinePast = 24 deadline_past,
                /// The queue looked at a deadline that had been moved.
                DeadlineExtended = 25 deadline_extended,
                /// A deadline fired. The argument is how late, in microseconds.
                DeadlineFired = 26 deadline_fired,
                /// The queue looked at a deadline that was cleared, or whose descriptor is gone.
                DeadlineStale = 27 deadline_stale,
                /// A break was requested and written to the eventfd.
                BreakWritten = 28 break_written,
                /// A break was requested while one was pending.
                BreakCoalesced = 29 break_coalesced,
                /// A poll took the break.
                BreakDrained = 30 break_drained,
                /// `epoll_wait` returned. The argument is the number of events.
                Poll = 31 poll,
                /// `epoll_wait` was interrupted by a signal.
                PollEintr = 32 poll_eintr,
                /// A waiter ran after it was woken. The argument is the whole wake latency in
                /// nanoseconds.
                Run = 33 run,
                /// A waiter was found whose event may have been there for a while, as nobody had
                /// polled. The argument is for how long, in nanoseconds: at most; inside a runtime
                /// as the kernel tells it, to its tick.
                Waited = 34 waited,
            }
        }

        impl Transition {
            /// Returns the state that it leads from.
            #[must_use]
            pub const fn from_state(self) -> State {
                match self {
                    $(Self::$variant => State::$from,)+
                }
            }

            /// Returns the state that it leads to.
            #[must_use]
            pub const fn to_state(self) -> State {
                match self {
                    $(Self::$variant => State::$to,)+
                }
            }

            /// Returns those by which a word comes into a state from another one.
            pub fn into_state(state: State) -> impl Iterator<Item = Self> {
                Self::ALL.into_iter().filter(move |it| {
                    it.to_state() == state && it.from_state() != state
                })
            }

            /// Returns those by which a word goes from a state into another one.
            pub fn out_of(state: State) -> impl Iterator<Item = Self> {
                Self::ALL.into_iter().filter(move |it| {
                    it.from_state() == state && it.to_state() != state
                })
            }

            /// Returns those that an edge of the kernel makes: those that end in `ready`.
            pub fn edges() -> impl Iterator<Item = Self> {
                Self::ALL.into_iter().filter(|it| it.to_state() == State::Ready)
            }
        }

        impl From<Transition> for EventKind {
            #[inline]
            fn from(transition: Transition) -> Self {
                match transition {
                    $(Transition::$variant => Self::$variant,)+
                }
            }
        }

        impl EventKind {
            /// Returns why a waiter was released, if one was. `argument` is what the argument of
            /// the event says, where the kind does not say it.
            #[must_use]
            pub const fn cause(self, argument: Option<Cause>) -> Option<Cause> {
                match self {
                    Self::ReadyParked => Some(Cause::Io),
                    Self::UnblockArmed | Self::UnblockParked => argument,
                    _ => None,
                }
            }

            /// Returns the transition it is, if it is one.
            #[must_use]
            pub const fn transition(self) -> Option<Transition> {
                match self {
                    $(Self::$variant => Some(Transition::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

transitions!(events);
