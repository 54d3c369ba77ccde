//! What a failure of accept(2) means, and how long to pause then: one policy for listeners of the
//! program and for those of the endpoint and the metrics server.

use std::io;
use std::time::Duration;

/// First pause, and the longest (as Go's net/http).
const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// What has failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AcceptFailure {
    /// One connection, or the call: the next one may be there already (semantics 55).
    Connection,
    /// The process, or the machine, has no descriptors left. A reserve helps.
    Descriptors,
    /// The kernel has no memory left for a socket. Time helps.
    Memory,
    /// The listener.
    Listener,
}

impl AcceptFailure {
    /// What `error` of accept(2) says.
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EINTR | libc::ECONNABORTED | libc::ECONNRESET) => Self::Connection,
            Some(libc::EMFILE | libc::ENFILE) => Self::Descriptors,
            Some(libc::ENOBUFS | libc::ENOMEM) => Self::Memory,
            _ => Self::Listener,
        }
    }

    /// Whether it passes as soon as there is more of something.
    pub fn is_shortage(self) -> bool {
        matches!(self, Self::Descriptors | Self::Memory)
    }
}

/// The pause of an accept loop. At the limit of open files accept(2) fails at once and the listener
/// stays readable: a loop that does not pause then burns a core until somebody closes a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AcceptPause(Duration);

impl AcceptPause {
    /// A connection came.
    pub fn reset(&mut self) {
        self.0 = Duration::ZERO;
    }

    /// How long to pause now: twice as long as the last time.
    pub fn longer(&mut self) -> Duration {
        self.0 = (self.0 * 2).clamp(FIRST, LONGEST);
        self.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_pause_grows_to_a_second_and_begins_anew_with_a_connection() {
        let mut pause = AcceptPause::default();
        let pauses: Vec<_> = (0..10).map(|_| pause.longer().as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        pause.reset();
        assert_eq!(pause.longer(), FIRST);
    }

    #[test]
    fn semantics_55_failures_of_one_connection_are_told_from_shortages_and_from_the_listeners() {
        let of = |errno| AcceptFailure::of(&io::Error::from_raw_os_error(errno));
        assert_eq!(of(libc::ECONNABORTED), AcceptFailure::Connection);
        assert_eq!(of(libc::EMFILE), AcceptFailure::Descriptors);
        assert_eq!(of(libc::ENOBUFS), AcceptFailure::Memory);
        assert_eq!(of(libc::EINVAL), AcceptFailure::Listener);
        assert_eq!(
            AcceptFailure::of(&io::Error::other("not the kernel's")),
            AcceptFailure::Listener
        );
    }
}
