//! A table at one moment, and pages of it.

use std::sync::Arc;

use netpoller_proto::Part;
use netpoller_proto::filter::{Field, Key};
use netpoller_proto::v1::{Descriptor, ListDescriptorsRequest, ListDescriptorsResponse};
use prost::Message;
use tonic::Status;

use super::wanted::{MAX_MESSAGE, MAX_ROWS, Wanted};

/// All rows at one moment, in the order of poller and slot.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::source) struct Table<'a> {
    pub(in crate::source) captured_at_ns: u64,
    pub(in crate::source) epoch: u64,
    pub(in crate::source) rows: &'a [Arc<Descriptor>],
    /// When the kernel was asked of their sockets; 0 if it was not.
    pub(in crate::source) sockets_at_ns: u64,
    /// Why it did not tell all of them.
    pub(in crate::source) sockets_error: &'a str,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::source) struct Page {
    /// The moment of the page before; `None` for the first.
    pub(in crate::source) captured_at_ns: Option<u64>,
    first: usize,
}

impl Page {
    /// From the token that the page before gave out.
    pub(in crate::source) fn of(token: &str) -> Result<Self, Status> {
        if token.is_empty() {
            return Ok(Self::default());
        }
        let parts = token.split_once(':');
        let page = parts.and_then(|(at, row)| {
            Some(Self {
                captured_at_ns: Some(at.parse().ok()?),
                first: row.parse().ok()?,
            })
        });
        page.ok_or_else(|| Status::invalid_argument("page_token: not one that was given out here"))
    }
}

impl Table<'_> {
    /// A page of it, filtered and in the order that is asked for.
    pub(in crate::source) fn page(
        &self,
        request: &ListDescriptorsRequest,
        page: Page,
    ) -> Result<ListDescriptorsResponse, Status> {
        let filter = request.filter.as_ref();
        let wanted = Wanted::new(&request.poller, request.waiting_only, filter)?;
        let order = match request.sort_by.as_str() {
            "" => None,
            name => Some(Field::named(name).ok_or_else(|| {
                Status::invalid_argument(format!("sort_by: no field is called {name:?}"))
            })?),
        };
        let admitted = |row: &&Arc<Descriptor>| wanted.admits(row, self.captured_at_ns);
        let mut rows: Vec<&Arc<Descriptor>> = self.rows.iter().filter(admitted).collect();
        if let Some(field) = order {
            let mut keyed: Vec<_> = rows
                .into_iter()
                .map(|row| (Key::of(field, Part::whole(row)), row))
                .collect();
            keyed.sort_by(|(left, _), (right, _)| left.compare(right, request.descending));
            rows = keyed.into_iter().map(|(_, row)| row).collect();
        }
        let limit = match request.page_size as usize {
            0 => MAX_ROWS,
            size => size.min(MAX_ROWS),
        };
        let (mut descriptors, mut bytes) = (Vec::new(), 0);
        for row in rows.iter().skip(page.first).take(limit) {
            bytes += row.encoded_len() + 16;
            if bytes > MAX_MESSAGE && !descriptors.is_empty() {
                break;
            }
            descriptors.push(Descriptor::clone(row));
        }
        let next = page.first.saturating_add(descriptors.len());
        Ok(ListDescriptorsResponse {
            captured_at_ns: self.captured_at_ns,
            next_page_token: match next < rows.len() {
                true => format!("{}:{next}", self.captured_at_ns),
                false => String::new(),
            },
            descriptors,
            epoch: self.epoch,
            sockets_at_ns: self.sockets_at_ns,
            sockets_error: self.sockets_error.to_owned(),
        })
    }
}
