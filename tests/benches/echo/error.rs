//! Saying what was being done when an I/O error came up.

use std::io;

/// Adds what was being done to an error, keeping its kind.
pub(crate) trait Context<T> {
    /// `doing` is a phrase such as "connecting to the server".
    fn context(self, doing: impl FnOnce() -> String) -> io::Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, doing: impl FnOnce() -> String) -> io::Result<T> {
        self.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", doing())))
    }
}
