//! Keeps a fault of ours to the one question that meets it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tonic::Status;

/// Runs a reading. A panic in it is a fault of ours, and the answer to this one question.
pub(super) fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, Status> {
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| Status::internal("the endpoint failed to read the tables: a bug"))
}
