//! What an accept that has failed says.

use std::io;

use crate::error::context;
use crate::fd::AcceptBackoff;

/// Names what was being done where the kernel is short of something; other errors speak for themselves.
pub(super) fn accept_failed(error: io::Error) -> io::Error {
    if AcceptBackoff::is_shortage(&error) {
        context("cannot accept a connection", error)
    } else {
        error
    }
}
