//! One page of the table: what is wanted of it, in the order that is wanted.
//!
//! In the order of the table a page begins at a slot. In any other order it begins after a row, by
//! what that row sorted by; so descriptors that come and go between two pages are seen or not, but
//! none that stays as it is is left out or seen twice.
//!
//! | file | holds |
//! |---|---|
//! | `filter` | which rows are wanted |
//! | `order` | orders, places in them, and the tokens that name a place |
//! | `walk` | through the table, some rows at a time |

mod filter;
mod order;
mod walk;

use netpoller_core::view;
use netpoller_proto::filter::Field;
use netpoller_proto::v1::{ListDescriptorsRequest, ListDescriptorsResponse};
use tonic::Status;

use super::find::pollers;
use super::turns::Common;
use crate::guard::guarded;
use crate::limits::MAX_ROWS;
use filter::Selection;
use order::Order;

pub(crate) use filter::{Filter, predicate};
pub(super) use walk::walk;

pub(crate) async fn page(
    request: &ListDescriptorsRequest,
    redact: bool,
    common: &Common,
) -> Result<ListDescriptorsResponse, Status> {
    let filter = Filter::new(predicate(request.filter.as_ref())?);
    let order = order(request)?;
    let of_sockets = request.sockets
        || filter.speaks_of_sockets()
        || order.is_some_and(|order| order.field.is_of_sockets());
    let sockets = match of_sockets {
        true => Some(common.sockets().await?),
        false => None,
    };
    let selection = Selection {
        waiting_only: request.waiting_only,
        filter,
        redact,
        captured_at_ns: view::now_ns(),
        sockets,
    };
    let limit = match request.page_size as usize {
        0 => MAX_ROWS,
        size => size.min(MAX_ROWS),
    };
    let pollers = guarded(|| pollers(&request.poller))??;
    let (descriptors, next_page_token) = match order {
        None => {
            let first = order::parse_slot(&request.page_token)?;
            let (rows, next) =
                walk::in_order_of_the_table(&pollers, &selection, first, limit).await?;
            (rows, next.map(|(poller, slot)| format!("{poller}:{slot}")))
        }
        Some(order) => {
            let after = order.parse(&request.page_token)?;
            let (rows, last) =
                walk::in_another_order(&pollers, &selection, order, after.as_ref(), limit).await?;
            (rows, last.map(|place| order.token(&place)))
        }
    };
    let sockets = selection.sockets.as_ref();
    Ok(ListDescriptorsResponse {
        captured_at_ns: selection.captured_at_ns,
        descriptors,
        next_page_token: next_page_token.unwrap_or_default(),
        epoch: view::started_at_ns(),
        sockets_at_ns: sockets.map_or(0, |it| it.read_at_ns()),
        sockets_error: sockets.map_or_else(String::new, |it| it.error()),
    })
}

/// The order that is asked for, unless it is that of the table.
fn order(request: &ListDescriptorsRequest) -> Result<Option<Order>, Status> {
    let name = request.sort_by.as_str();
    if name.is_empty() {
        return Ok(None);
    }
    Ok(Some(Order {
        field: Field::named(name).ok_or_else(|| no_such_field(name))?,
        descending: request.descending,
    }))
}

fn no_such_field(name: &str) -> Status {
    let known: Vec<&str> = Field::names().collect();
    Status::invalid_argument(format!(
        "sort_by: no field is called {name:?}; known are {}",
        known.join(", ")
    ))
}
