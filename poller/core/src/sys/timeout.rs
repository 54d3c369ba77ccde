//! How long to wait.

/// How long a `poll` may block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timeout {
    /// Until an event or a break.
    Never,
    /// Not at all.
    Zero,
    /// This many nanoseconds, not 0.
    Nanos(u64),
}
