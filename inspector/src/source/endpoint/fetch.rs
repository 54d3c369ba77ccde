//! The table, page after page.

use std::sync::Arc;

use netpoller_proto::filter::Field;
use netpoller_proto::v1::{Descriptor, Filter, ListDescriptorsRequest};
use tonic::Code;

use super::connect::Connection;
use crate::failure::Failure;
use crate::model::weight;

/// What the rows are called in messages.
const TABLE: &str = "the table";
/// Rows a page; the most that a server gives.
const PAGE: u32 = 1_000;
/// Memory that the rows of one listing may take: about a hundred thousand.
const LARGEST_LISTING: usize = 112 << 20;
/// Pages without a row, one after another. A server of today goes on until a page is full or the
/// table ends; an older one may leave rows out of a page that it has cut already.
const EMPTY_PAGES: u32 = 200;

/// The part of the table that is wanted, as far as a server can be told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Only rows in which somebody is parked.
    pub(crate) waiting_only: bool,
    /// Only rows for which this holds.
    pub(crate) filter: Option<Filter>,
    /// In the order of this field, and the largest first.
    pub(crate) sort: Option<(Field, bool)>,
    /// The first of them; `None` for all.
    pub(crate) limit: Option<usize>,
    /// With what the kernel knows of their sockets.
    pub(crate) sockets: bool,
}

/// The table as it was read, page after page.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The moment of the last page; ages are reckoned from it.
    pub(crate) captured_at_ns: u64,
    /// The rows, in the order of poller and slot unless another was asked for.
    pub(crate) rows: Vec<Arc<Descriptor>>,
    /// The server has applied the filter. One that does not know it gives all rows.
    pub(crate) filtered: bool,
    /// Why the kernel's side of sockets is missing, or a part of it, although it was asked for.
    pub(crate) sockets_missing: Option<String>,
}

impl Connection {
    /// Asks for the table, page after page, until there is enough of it.
    ///
    /// Whether the server has understood what was selected is told by the epoch in its answer,
    /// which came into the protocol with filter and sort. If it has not, all rows are fetched, for
    /// the caller to select from; and so they are if the server knows filters but not a field of
    /// this one. All pages together take no longer than one answer may.
    pub(crate) async fn descriptors(&self, selection: &Selection) -> Result<Snapshot, Failure> {
        self.asked(TABLE).timely(pages(self, selection)).await?
    }
}

async fn pages(connection: &Connection, selection: &Selection) -> Result<Snapshot, Failure> {
    match select(connection, selection).await {
        Err(Refused::NotKnown) => {
            let all = Selection {
                waiting_only: selection.waiting_only,
                sockets: selection.sockets,
                ..Selection::default()
            };
            let snapshot = select(connection, &all).await?;
            Ok(Snapshot {
                filtered: selection.filter.is_none(),
                ..snapshot
            })
        }
        result => Ok(result?),
    }
}

/// Why a selection was not answered.
enum Refused {
    /// The server does not know a field that was named.
    NotKnown,
    Failed(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotKnown => {
                Self::Runtime("the server refuses a request that asks for nothing special".into())
            }
            Refused::Failed(failure) => failure,
        }
    }
}

async fn select(connection: &Connection, selection: &Selection) -> Result<Snapshot, Refused> {
    let mut client = connection.client.clone();
    let selective = selection.filter.is_some() || selection.sort.is_some();
    let mut snapshot = Snapshot {
        captured_at_ns: 0,
        rows: Vec::new(),
        filtered: selection.filter.is_none(),
        sockets_missing: None,
    };
    let (sort_by, descending) = selection
        .sort
        .map_or((String::new(), false), |(field, descending)| {
            (field.name().to_owned(), descending)
        });
    // A small page is a short sort for the server.
    let page_size = selection
        .limit
        .filter(|_| selection.sort.is_some())
        .and_then(|limit| u32::try_from(limit).ok())
        .map_or(PAGE, |limit| limit.clamp(1, PAGE));
    let mut page_token = String::new();
    let (mut weight_of_all, mut empty) = (0, 0);
    loop {
        let request = ListDescriptorsRequest {
            poller: String::new(),
            page_size,
            page_token: page_token.clone(),
            waiting_only: selection.waiting_only,
            filter: selection.filter.clone(),
            sort_by: sort_by.clone(),
            descending,
            sockets: selection.sockets,
        };
        let call = client.list_descriptors(request);
        let asked = connection.asked(TABLE);
        let page = match asked.timely(call).await? {
            Ok(page) => page,
            Err(refusal) if selective && refusal.code() == Code::InvalidArgument => {
                return Err(Refused::NotKnown);
            }
            Err(refusal) => return Err(Refused::Failed(asked.failure(&refusal).await)),
        };
        weight_of_all += page.descriptors.iter().map(weight).sum::<usize>();
        if weight_of_all > LARGEST_LISTING {
            return Err(Refused::Failed(Failure::Runtime(format!(
                "{} has more than {} rows, or larger ones, than this command takes: ask for fewer with --where, or with \
                 --limit",
                connection.target,
                snapshot.rows.len()
            ))));
        }
        empty = if page.descriptors.is_empty() {
            empty + 1
        } else {
            0
        };
        let understood = page.epoch != 0;
        snapshot.filtered |= understood;
        snapshot.captured_at_ns = snapshot.captured_at_ns.max(page.captured_at_ns);
        if selection.sockets {
            snapshot.sockets_missing = match (page.sockets_at_ns, page.sockets_error) {
                (0, _) => Some(format!(
                    "{} does not tell what the kernel knows of its sockets: its library, netpoller {}, is older than this command",
                    connection.target, connection.server.version
                )),
                (_, error) if error.is_empty() => None,
                (_, error) => Some(error),
            };
        }
        snapshot
            .rows
            .extend(page.descriptors.into_iter().map(Arc::new));
        if page.next_page_token.is_empty() {
            return Ok(snapshot);
        }
        let enough = selection
            .limit
            .is_some_and(|limit| snapshot.rows.len() >= limit);
        if enough && (understood || !selective) {
            return Ok(snapshot);
        }
        // One that knows filters fills its pages.
        if page.next_page_token == page_token || (understood && empty > 0) || empty > EMPTY_PAGES {
            return Err(Refused::Failed(Failure::Runtime(format!(
                "{} gives page after page and comes to no end",
                connection.target
            ))));
        }
        page_token = page.next_page_token;
    }
}
