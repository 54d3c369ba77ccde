//! Which rows are wanted.

use std::sync::Arc;

use netpoller_core::Poller;
use netpoller_core::internals::{RawRow, Slot};
use netpoller_core::view::{Reader, Sockets};
use netpoller_proto::Part;
use netpoller_proto::filter::{Field, Predicate};
use netpoller_proto::v1::{self, Descriptor};
use tonic::Status;

use crate::methods::encode;

/// The filter of a request, `None` if it has none.
pub(crate) fn predicate(filter: Option<&v1::Filter>) -> Result<Option<Predicate>, Status> {
    filter
        .map(Predicate::try_from)
        .transpose()
        .map_err(|error| Status::invalid_argument(format!("filter: {error}")))
}

/// A filter, and what of it can be tested before texts are looked up and the kernel is asked for
/// addresses.
pub(crate) struct Filter {
    cheap: Option<Predicate>,
    whole: Option<Predicate>,
}

impl Filter {
    pub(crate) fn new(whole: Option<Predicate>) -> Self {
        let cheap = whole
            .as_ref()
            .map(|whole| whole.weakened(Field::is_cheap))
            .filter(|cheap| !cheap.is_trivial());
        Self { cheap, whole }
    }

    /// Whether rows may begin or cease to be wanted while nothing happens to them.
    pub(crate) fn depends_on_time(&self) -> bool {
        self.whole.as_ref().is_some_and(Predicate::depends_on_time)
    }

    /// Whether it can be tested only where the kernel was asked about sockets.
    pub(crate) fn speaks_of_sockets(&self) -> bool {
        let whole = self.whole.as_ref();
        whole.is_some_and(|whole| whole.speaks_of(Field::is_of_sockets))
    }

    /// The row as a message, if it is wanted.
    pub(crate) fn row(
        &self,
        reader: &mut Reader,
        (poller, slot, raw): (&Poller, Slot<'_>, &RawRow),
        redact: bool,
        captured_at_ns: u64,
    ) -> Option<Descriptor> {
        if let Some(cheap) = &self.cheap
            && !cheap.holds(Part::whole(&encode::outline(raw)), captured_at_ns)
        {
            return None;
        }
        // The filter sees what the client will see: a hidden address cannot be found out by
        // asking for it.
        let row = encode::descriptor(poller.name(), slot.row(reader, poller, raw), redact);
        match &self.whole {
            Some(whole) if !whole.holds(Part::whole(&row), captured_at_ns) => None,
            _ => Some(row),
        }
    }
}

/// What is wanted of the table, and how it is shown.
pub(super) struct Selection {
    pub(super) waiting_only: bool,
    pub(super) filter: Filter,
    pub(super) redact: bool,
    pub(super) captured_at_ns: u64,
    /// What the kernel knows of the sockets, where that is wanted.
    pub(super) sockets: Option<Arc<Sockets>>,
}

impl Selection {
    /// One who puts its rows into words.
    pub(super) fn reader(&self) -> Reader {
        let mut reader = Reader::default();
        reader.sockets(self.sockets.clone());
        reader
    }

    pub(super) fn row(
        &self,
        reader: &mut Reader,
        poller: &Poller,
        slot: Slot<'_>,
    ) -> Option<Descriptor> {
        let raw = slot.read()?;
        if self.waiting_only && !raw.is_waiting() {
            return None;
        }
        self.filter.row(
            reader,
            (poller, slot, &raw),
            self.redact,
            self.captured_at_ns,
        )
    }
}
