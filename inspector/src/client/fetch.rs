//! Whole answers: every page of the table, and the statistics.

use std::future::Future;
use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, GetStatsRequest, GetStatsResponse, ListDescriptorsRequest};
use tonic::{Code, Response, Status};

use super::Connection;
use super::refusal::describe;
use crate::failure::Failure;

/// Rows a page; the most that a server gives.
const PAGE: u32 = 1_000;

/// The table as it was read, page after page.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The moment of the last page; ages are reckoned from it.
    pub(crate) captured_at_ns: u64,
    /// The rows, in the order of poller and slot.
    pub(crate) rows: Vec<Arc<Descriptor>>,
}

/// The whole table, or the part of it that waits.
pub(crate) async fn descriptors(
    connection: &Connection,
    waiting_only: bool,
) -> Result<Snapshot, Failure> {
    let mut client = connection.client.clone();
    let mut snapshot = Snapshot {
        captured_at_ns: 0,
        rows: Vec::new(),
    };
    let mut page_token = String::new();
    loop {
        let request = ListDescriptorsRequest {
            poller: String::new(),
            page_size: PAGE,
            page_token: page_token.clone(),
            waiting_only,
            ..Default::default()
        };
        let page = answer(
            connection,
            "ListDescriptors",
            client.list_descriptors(request),
        )
        .await?;
        snapshot.captured_at_ns = snapshot.captured_at_ns.max(page.captured_at_ns);
        snapshot
            .rows
            .extend(page.descriptors.into_iter().map(Arc::new));
        if page.next_page_token.is_empty() {
            return Ok(snapshot);
        }
        if page.next_page_token == page_token {
            return Err(Failure::Runtime(format!(
                "{} gives the same page again and again",
                connection.target
            )));
        }
        page_token = page.next_page_token;
    }
}

/// The statistics of every poller.
pub(crate) async fn stats(connection: &Connection) -> Result<GetStatsResponse, Failure> {
    let mut client = connection.client.clone();
    answer(
        connection,
        "GetStats",
        client.get_stats(GetStatsRequest::default()),
    )
    .await
}

async fn answer<T>(
    connection: &Connection,
    what: &'static str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(connection.timeout, call).await {
        Err(_) => Err(Failure::Timeout {
            target: connection.target.to_string(),
            what,
            after: connection.timeout,
        }),
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) if status.code() == Code::Unavailable => Err(Failure::Connect {
            target: connection.target.to_string(),
            reason: describe(&status),
            advice: "the connection was lost while it was used; has the process ended?".into(),
        }),
        Ok(Err(status)) => Err(Failure::Runtime(format!(
            "{what} of {}: {}",
            connection.target,
            describe(&status)
        ))),
    }
}
