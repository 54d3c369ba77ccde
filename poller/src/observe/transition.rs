//! The transitions of an rg/wg word, by name.

/// One of a descriptor's two directions: Go's mode 'r' and 'w'.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// The rg word: bytes to read, a connection to accept, the end of the stream.
    Read,
    /// The wg word: room to write, a connection that is made.
    Write,
}

impl Direction {
    /// Both, in the order in which tables show them.
    pub const ALL: [Direction; 2] = [Direction::Read, Direction::Write];

    /// `read` or `write`.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Read => "read",
            Direction::Write => "write",
        }
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

macro_rules! transitions {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// A change of an rg or wg word. Every change is exactly one of these, counted where its CAS has won.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Transition {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Transition {
            /// All, in the order of the tables.
            pub const ALL: [Transition; [$($name),+].len()] = [$(Transition::$variant),+];

            /// The name in tables, in the protocol and in metric labels.
            pub fn name(self) -> &'static str {
                match self {
                    $(Transition::$variant => $name,)+
                }
            }
        }
    };
}

transitions! {
    /// nil → wait: a waiter begins.
    Arm => "arm",
    /// wait → parked: its waker is published.
    Park => "park",
    /// parked → wait: the same wait with another waker.
    Rearm => "rearm",
    /// nil → ready: an edge with nobody waiting.
    ReadyIdle => "ready_idle",
    /// wait → ready: an edge while the waiter was publishing its waker.
    ReadyArmed => "ready_armed",
    /// parked → ready: an edge that woke the waiter.
    ReadyParked => "ready_parked",
    /// ready → ready: an edge that told nothing new.
    ReadyAgain => "ready_again",
    /// ready → nil by a wait.
    Consume => "consume",
    /// ready → nil by the reset that begins an operation.
    Reset => "reset",
    /// wait → nil by deadline or close.
    UnblockArmed => "unblock_armed",
    /// parked → nil by deadline or close, which woke the waiter.
    UnblockParked => "unblock_parked",
    /// wait → nil: the waiter itself found, while arming, that it must not park.
    CancelArmed => "cancel_armed",
    /// parked → nil: the waiting future was dropped.
    CancelParked => "cancel_parked",
    /// ready → nil because the slot was freed with readiness left over.
    Recycled => "recycled",
}

impl Transition {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    #[inline]
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}
