//! What an accept that has failed says.

use std::io;

use crate::error::context;
use crate::sys::AcceptFailure;

/// Names what was being done where the kernel is short of something; other errors speak for
/// themselves.
pub(super) fn accept_failed(error: io::Error) -> io::Error {
    if AcceptFailure::of(&error).is_shortage() {
        context("cannot accept a connection", error)
    } else {
        error
    }
}
