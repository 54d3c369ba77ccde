//! The events of the flight recorder, while somebody looks at them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::v1::WatchTransitionsRequest;
use tokio::sync::watch;

use super::super::known::Wanted;
use super::asked::Asked;
use super::cause::cause;
use crate::failure::Failure;

/// Before it is asked again, if it did not go on.
const REST: Duration = Duration::from_secs(5);

/// Follows the recorder while somebody looks.
pub(super) async fn follow(asked: &Asked<'_>, wanted: &mut watch::Receiver<Wanted>) -> Infallible {
    let feed = asked.feed;
    loop {
        if wanted.wait_for(|wanted| wanted.events).await.is_err() {
            return std::future::pending().await;
        }
        let mut looks = wanted.clone();
        let trouble = tokio::select! {
            failure = take(asked) => cause(failure, Some("no events came in time")),
            _ = looks.wait_for(|wanted| !wanted.events) => continue,
        };
        feed.send_modify(|feed| Arc::make_mut(&mut feed.events).trouble = trouble);
        tokio::time::sleep(REST).await;
    }
}

/// Takes what comes, until nothing does.
async fn take(asked: &Asked<'_>) -> Failure {
    let (connection, feed) = (asked.connection, asked.feed);
    if let Err(failure) = connection.must_record("events") {
        return failure;
    }
    let request = WatchTransitionsRequest {
        history: true,
        ..WatchTransitionsRequest::default()
    };
    let mut stream = match connection.transitions(request).await {
        Ok(stream) => stream,
        Err(failure) => return failure,
    };
    feed.send_modify(|feed| {
        let tail = Arc::make_mut(&mut feed.events);
        match connection.is_recording() {
            // Whatever moment it was of.
            true => tail.forget(),
            false => tail.resume(),
        }
    });
    let mut told_ns = 0;
    loop {
        match connection.next(&mut stream, None).await {
            Ok(Some(frame)) => {
                asked.kept.keep(|memory| memory.transitions(frame.clone()));
                feed.send_modify(|feed| {
                    let tail = Arc::make_mut(&mut feed.events);
                    if connection.is_recording() && frame.captured_at_ns < told_ns {
                        // Somebody has gone back, and it tells what there was by then.
                        tail.forget();
                    }
                    told_ns = frame.captured_at_ns;
                    tail.take(frame);
                });
            }
            Ok(None) => match connection.ended().await {
                Ok(()) => return std::future::pending().await,
                Err(failure) => return failure,
            },
            Err(failure) => return failure,
        }
    }
}
