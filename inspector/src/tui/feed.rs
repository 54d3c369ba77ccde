//! The connection of the terminal UI: watches, and connects again when the stream breaks.
//!
//! It folds frames on a thread of its own and publishes only whole groups, so that the UI neither
//! waits for the network nor sees half a table. The last state is all that is kept for a slow UI.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::v1::WatchRequest;
use tokio::sync::watch;

use super::app::{Feed, Link};
use crate::failure::Failure;
use crate::model::Model;
use crate::source::{Target, connect};

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Watches the target until nobody looks any more.
pub(crate) async fn run(
    target: Target,
    interval: Duration,
    timeout: Duration,
    feed: watch::Sender<Feed>,
) {
    let mut attempt = 0;
    loop {
        let reason = tokio::select! {
            reason = watch(&target, interval, timeout, &feed, &mut attempt) => reason,
            () = feed.closed() => return,
        };
        attempt += 1;
        let retry_in = pause(attempt, random());
        feed.send_modify(|feed| {
            feed.model.interrupt();
            feed.link = Link::Lost {
                reason,
                attempt,
                retry_in,
            };
        });
        tokio::select! {
            () = tokio::time::sleep(retry_in) => {}
            () = feed.closed() => return,
        }
    }
}

/// One connection, from its beginning to its end, and why it ended.
async fn watch(
    target: &Target,
    interval: Duration,
    timeout: Duration,
    feed: &watch::Sender<Feed>,
    attempt: &mut u32,
) -> String {
    let connection = match connect(target, timeout).await {
        Ok(connection) => connection,
        Err(failure) => return cause(failure, None),
    };
    let request = WatchRequest {
        poller: String::new(),
        interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
        stats: true,
        sockets: true,
        ..Default::default()
    };
    let mut stream = match connection.watch(request).await {
        Ok(stream) => stream,
        Err(failure) => return cause(failure, Some("the table did not come in time")),
    };
    let server = Arc::new(connection.server.clone());
    // Folded apart from what is published: readers hold their copy while the next group comes in.
    let mut model: Model = feed.borrow().model.clone();
    loop {
        // A live server sends a group at each interval, even an empty one.
        let within = interval.saturating_mul(3);
        match connection.next(&mut stream, Some(within)).await {
            Ok(Some(frame)) => {
                let whole = model.apply(frame);
                if model.is_too_large() {
                    return "the table is larger than is shown here; `netpoller ls` takes filters"
                        .into();
                }
                if whole {
                    *attempt = 0;
                    let (server, model) = (Arc::clone(&server), model.clone());
                    feed.send_modify(|feed| {
                        *feed = Feed {
                            server: Some(server),
                            model,
                            link: Link::Live,
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

/// What is the matter, in a few words: the target is in the header, and advice is for the command
/// line. Of what did not come in time, what to call it.
fn cause(failure: Failure, late: Option<&str>) -> String {
    match (failure, late) {
        (Failure::Connect { reason, .. }, _) => reason,
        (
            Failure::Lost {
                trouble: Some(trouble),
                ..
            }
            | Failure::Timeout {
                trouble: Some(trouble),
                ..
            },
            _,
        ) => trouble,
        (Failure::Lost { reason, .. }, Some(_)) => reason,
        (Failure::Timeout { .. }, Some(late)) => late.to_owned(),
        (failure, _) => {
            let said = failure.to_string();
            said.lines().next().unwrap_or_default().to_owned()
        }
    }
}

/// Doubles from attempt to attempt up to a bound, with a quarter of chance so that many inspectors
/// do not come at once.
fn pause(attempt: u32, chance: u64) -> Duration {
    let whole = FIRST_RETRY
        .saturating_mul(1 << attempt.saturating_sub(1).min(10))
        .min(LAST_RETRY);
    let quarter = u64::try_from(whole.as_millis() / 4).unwrap_or(0).max(1);
    whole - Duration::from_millis(chance % quarter)
}

/// Good enough to spread retries.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpoller_tests::mock::{Mock, Running};

    #[test]
    fn pauses_double_up_to_a_bound() {
        assert_eq!(pause(1, 0), FIRST_RETRY);
        assert_eq!(pause(2, 0), FIRST_RETRY * 2);
        assert_eq!(pause(100, 0), LAST_RETRY);
        for chance in [0, 1, u64::MAX] {
            assert!(pause(3, chance) > FIRST_RETRY * 2 && pause(3, chance) <= FIRST_RETRY * 4);
        }
    }

    /// Waits until the feed is as wanted; the wait has no other end than the test's own.
    async fn until(feeds: &mut watch::Receiver<Feed>, wanted: impl FnMut(&Feed) -> bool) -> Feed {
        feeds
            .wait_for(wanted)
            .await
            .expect("the feed goes on")
            .clone()
    }

    #[tokio::test]
    async fn a_broken_stream_is_told_and_taken_up_again() {
        let scratch = tempfile::TempDir::new().expect("make a directory");
        let mock = Mock {
            groups: Some(2),
            ..Mock::new(450)
        };
        let running = Running::start(mock, scratch.path().join("mock.sock"));
        let (sender, mut feeds) = watch::channel(Feed::default());
        let (interval, timeout) = (Duration::from_millis(100), Duration::from_secs(5));
        let task = tokio::spawn(run(
            Target::Unix(running.socket.clone().into()),
            interval,
            timeout,
            sender,
        ));

        let first = until(&mut feeds, |feed| feed.link == Link::Live).await;
        assert_eq!(
            first.model.rows.len(),
            450,
            "a keyframe is published as a whole"
        );
        assert_eq!(first.server.map(|server| server.pid), Some(4242));
        let lost = until(&mut feeds, |feed| matches!(feed.link, Link::Lost { .. })).await;
        assert!(!lost.model.rows.is_empty(), "what was known is still shown");
        assert!(
            matches!(&lost.link, Link::Lost { reason, .. } if reason.contains("was told to break")),
            "{:?}",
            lost.link
        );
        until(&mut feeds, |feed| feed.link == Link::Live).await;

        drop(feeds);
        task.await.expect("it ends when nobody looks");
    }

    #[tokio::test]
    async fn a_target_that_is_gone_is_tried_again_and_again() {
        let scratch = tempfile::TempDir::new().expect("make a directory");
        let target = Target::Unix(scratch.path().join("none.sock").into());
        let (sender, mut feeds) = watch::channel(Feed::default());
        let task = tokio::spawn(run(
            target,
            Duration::from_millis(100),
            Duration::from_secs(5),
            sender,
        ));
        let lost = until(&mut feeds, |feed| {
            matches!(feed.link, Link::Lost { attempt: 2, .. })
        })
        .await;
        assert!(
            matches!(&lost.link, Link::Lost { reason, .. } if reason.contains("No such file")),
            "{:?}",
            lost.link
        );
        drop(feeds);
        task.await.expect("it ends when nobody looks");
    }
}
