//! What can be planted.

use std::io;

use clap::ValueEnum;
use netpoller::Poller;

/// What can be planted. Each bears the name of the lint that finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// Waits again after a read that left bytes behind.
    StuckWaiter,
    /// Somebody removes the registration of a descriptor that is waited for.
    LostEdge,
    /// Bytes come, and nobody reads or waits.
    LeakedReadiness,
    /// A task that computes for ever, and a reader beside it.
    BlockedExecutor,
    /// A thread that polls, with the lowest priority, beside three that compute on its processor.
    ThreadStarved,
    /// A read without a deadline.
    NoDeadline,
    /// Keeps a future that was woken, and does not poll it.
    WokenNotRun,
    /// Writes to a peer that reads nothing.
    PeerNotReading,
    /// Waits for the answer of a peer that is gone without a word.
    PeerGone,
    /// Keeps a connection that the peer has closed.
    CloseWaitHeld,
    /// Does a handshake with a silent client in the loop that accepts all others.
    AcceptStalled,
    /// Opens sockets and keeps them, close to a limit that the demo sets itself.
    DescriptorsRunOut,
    /// A deadline on a poller that nobody polls.
    OverdueDeadline,
    /// Breaks the poller's sleep thousands of times a second.
    WakeStorm,
    /// Several waiters are woken for each message that one of them takes.
    #[value(alias = "spurious")]
    SpuriousRatio,
    /// A batch of two events, and eight descriptors that are ready.
    StarvedBatch,
    /// A waker that does the work itself.
    SlowDispatch,
    /// Closes a descriptor before its registration, while a duplicate lives.
    GhostRegistration,
    /// Registers a socket and a duplicate of it.
    DuplicateRegistration,
    /// Registers a socket in blocking mode.
    BlockingMode,
    /// Registers a socket, and puts another file in its place.
    StaleDescriptor,
    /// Opens and closes thousands of descriptors a second.
    GenerationChurn,
    /// Waits on an executor that does not poll.
    PollerAway,
    /// Counts a transition that was not made.
    BrokenLaw,
}

impl Fault {
    /// The name on the command line, which is that of the lint.
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(super) fn label(self) -> String {
        format!("planted: {}", self.name())
    }

    /// A poller that bears the fault's name.
    pub(super) fn poller(self) -> io::Result<Poller> {
        Poller::builder().name(self.poller_name()).build()
    }

    pub(super) fn poller_name(self) -> String {
        format!("plant_{}", self.name().replace('-', "_"))
    }
}
