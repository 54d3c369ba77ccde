//! The table of the terminal UI.

use std::sync::Arc;

use netpoller_proto::v1::WatchRequest;

use super::super::known::Link;
use super::asked::Asked;
use super::cause::cause;
use crate::failure::Failure;
use crate::model::Model;

/// The table, for as long as there are frames of it, and why there are no more.
pub(super) async fn fold(asked: &Asked<'_>, attempt: &mut u32) -> String {
    let Asked {
        connection,
        interval,
        feed,
        kept,
        is_memory,
    } = asked;
    let request = WatchRequest {
        poller: String::new(),
        interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
        stats: true,
        sockets: true,
        ..Default::default()
    };
    connection.hold();
    let mut stream = match connection.watch(request).await {
        Ok(stream) => stream,
        Err(failure) => return cause(failure, Some("the table did not come in time")),
    };
    let server = Arc::new(connection.server.clone());
    // Folded apart from what is published: readers hold their copy while the next group comes in.
    let mut model: Model = feed.borrow().model.clone();
    loop {
        // A live server sends a group at each interval, even an empty one.
        let within = (!connection.is_recording()).then(|| connection.silence(*interval));
        match connection.next(&mut stream, within).await {
            Ok(Some(frame)) => {
                kept.keep(|memory| memory.frame(frame.clone()));
                let whole = model.apply(frame);
                if model.is_too_large() {
                    return "the table is larger than is shown here; `netpoller ls` takes filters"
                        .into();
                }
                if whole {
                    *attempt = 0;
                    let stats = model.stats.clone();
                    let stats = stats.filter(|_| !connection.is_recording());
                    let (server, model) = (Arc::clone(&server), model.clone());
                    feed.send_modify(|feed| {
                        let pid = feed.server.as_ref().map(|it| it.pid);
                        feed.before = pid.filter(|it| *it != server.pid).or(feed.before);
                        feed.server = Some(server);
                        feed.model = model;
                        feed.is_remembered = *is_memory;
                        feed.link = Link::Live;
                        feed.is_recording = connection.is_recording();
                        feed.is_over = connection.is_over();
                        if let Some(stats) = stats {
                            Arc::make_mut(&mut feed.timeline).stats(&stats);
                        }
                    });
                }
            }
            Ok(None) => {
                let trouble = connection.peer.trouble_soon().await;
                return trouble.unwrap_or_else(|| "the process closed the stream".into());
            }
            Err(Failure::Lost {
                reason,
                trouble: None,
                ..
            }) => return format!("the stream broke: {reason}"),
            Err(failure) => {
                return cause(failure, Some("the process has sent nothing for too long"));
            }
        }
    }
}
