//! A law.

/// One law and how it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Law {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub statement: &'static str,
    /// Value of the left side.
    pub lhs: i64,
    /// Value of the right side.
    pub rhs: i64,
    /// It does not hold, and that is not an artefact of reading a running poller.
    pub violated: bool,
}
