//! Which rows somebody wants, and how much of them one message holds.

use netpoller_proto::Part;
use netpoller_proto::filter::Predicate;
use netpoller_proto::v1::{self, Descriptor};
use tonic::Status;

/// Rows of a message.
pub(in crate::source) const MAX_ROWS: usize = 1_000;
/// Bytes of a message.
pub(in crate::source) const MAX_MESSAGE: usize = 1 << 20;

/// What of the table is wanted.
pub(in crate::source) struct Wanted {
    poller: String,
    waiting_only: bool,
    filter: Option<Predicate>,
}

impl Wanted {
    /// Every row.
    pub(in crate::source) fn all() -> Self {
        Self {
            poller: String::new(),
            waiting_only: false,
            filter: None,
        }
    }

    pub(in crate::source) fn new(
        poller: &str,
        waiting_only: bool,
        filter: Option<&v1::Filter>,
    ) -> Result<Self, Status> {
        let filter = filter.map(Predicate::try_from).transpose();
        Ok(Self {
            poller: poller.to_owned(),
            waiting_only,
            filter: filter.map_err(|error| Status::invalid_argument(format!("filter: {error}")))?,
        })
    }

    pub(in crate::source) fn admits(&self, row: &Descriptor, captured_at_ns: u64) -> bool {
        let part = Part::whole(row);
        (self.poller.is_empty() || row.poller == self.poller)
            && (!self.waiting_only || part.waiter().is_some())
            && self
                .filter
                .as_ref()
                .is_none_or(|it| it.holds(part, captured_at_ns))
    }
}
