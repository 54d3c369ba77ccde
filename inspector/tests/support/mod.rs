//! What the tests of the command line and the mock server share.

pub(crate) mod mock;
pub(crate) mod rows;
