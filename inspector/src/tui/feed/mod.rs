//! The connection of the terminal UI: watches, and connects again when the stream breaks.
//!
//! It folds frames on a thread of its own and publishes only whole groups, so that the UI neither
//! waits for the network nor sees half a table. The last state is all that is kept for a slow UI.

mod asks;
mod cause;
mod doctor;
mod events;
mod travel;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use netpoller_proto::v1::WatchRequest;
use tokio::sync::watch;

use super::known::{Feed, Link, Wanted};
use crate::failure::Failure;
use crate::model::Model;
use crate::source::{Connection, Target, connect};
use asks::{Detail, Sites};
use cause::cause;

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Watches the target until nobody looks any more. It asks for the rest while that is `wanted`.
pub(crate) async fn run(
    target: Target,
    interval: Duration,
    timeout: Duration,
    feed: watch::Sender<Feed>,
    wanted: watch::Receiver<Wanted>,
) {
    let mut attempt = 0;
    let mut detail = Detail(wanted.clone());
    let mut sites = Sites::new(wanted.clone());
    let steps = wanted.clone();
    let mut looks = wanted;
    loop {
        let reason = tokio::select! {
            reason = async {
                let connection = match connect(&target, timeout).await {
                    Ok(connection) => connection,
                    Err(failure) => return cause(failure, None),
                };
                tokio::select! {
                    reason = fold(&connection, interval, &feed, &mut attempt) => reason,
                    never = sites.ask(&connection, interval, &feed) => match never {},
                    never = detail.ask(&connection, interval, &feed) => match never {},
                    never = events::follow(&connection, &mut looks, &feed) => match never {},
                    never = doctor::ask(&connection, &feed) => match never {},
                    never = travel::travel(&connection, interval, steps.clone()) => match never {},
                }
            } => reason,
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

/// The table, for as long as there are frames of it, and why there are no more.
async fn fold(
    connection: &Connection,
    interval: Duration,
    feed: &watch::Sender<Feed>,
    attempt: &mut u32,
) -> String {
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
        let within = (!connection.is_recording()).then(|| interval.saturating_mul(3));
        match connection.next(&mut stream, within).await {
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
                        let is_same_life = feed.model.epoch == model.epoch;
                        let pid = feed.server.as_ref().map(|it| it.pid);
                        feed.before = pid.filter(|it| *it != server.pid).or(feed.before);
                        feed.server = Some(server);
                        feed.model = model;
                        feed.link = Link::Live;
                        if !is_same_life {
                            feed.leaks = Arc::default();
                            feed.checkup = Arc::default();
                            feed.events = Arc::default();
                            feed.described = None;
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
    use netpoller_proto::v1::{DiagnoseResponse, Finding};
    use netpoller_tests::mock::{Mock, Running};
    use std::sync::atomic::{AtomicU64, Ordering};
    use tempfile::TempDir;
    use tokio::task::JoinHandle;

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

    /// A mock that is watched.
    struct Watched {
        feeds: watch::Receiver<Feed>,
        want: watch::Sender<Wanted>,
        task: JoinHandle<()>,
        _mock: (TempDir, Running),
    }

    impl Watched {
        fn of(mock: Mock) -> Self {
            let scratch = TempDir::new().expect("make a directory");
            let running = Running::start(mock, scratch.path().join("mock.sock"));
            let target = Target::Unix(running.socket.clone().into());
            let (feeds, want, task) = watched(target);
            Self {
                feeds,
                want,
                task,
                _mock: (scratch, running),
            }
        }
    }

    fn watched(target: Target) -> (watch::Receiver<Feed>, watch::Sender<Wanted>, JoinHandle<()>) {
        let (sender, feeds) = watch::channel(Feed::default());
        let (want, wanted) = watch::channel(Wanted::default());
        let (interval, timeout) = (Duration::from_millis(100), Duration::from_secs(5));
        let task = tokio::spawn(run(target, interval, timeout, sender, wanted));
        (feeds, want, task)
    }

    #[tokio::test]
    async fn a_broken_stream_is_told_and_taken_up_again() {
        let Watched {
            mut feeds,
            task,
            _mock,
            ..
        } = Watched::of(Mock {
            groups: Some(2),
            ..Mock::new(450)
        });

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
    async fn open_sites_are_asked_for_while_somebody_looks_and_grow_from_the_first_look_on() {
        let asked = Arc::new(AtomicU64::new(0));
        let Watched {
            mut feeds,
            want,
            task,
            _mock,
        } = Watched::of(Mock {
            sites: Some(Arc::clone(&asked)),
            ..Mock::new(3)
        });
        until(&mut feeds, |feed| feed.model.sequence >= 2).await;
        assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody has looked");
        want.send_modify(|wanted| wanted.sites = true);
        let grown = |feed: &Feed| feed.leaks.rows.first().is_some_and(|row| row.grown > 0);
        let feed = until(&mut feeds, grown).await;
        let first = &feed.leaks.rows[0];
        assert_eq!(first.site, "src/server.rs:63");
        assert!(
            feed.leaks.summary.contains("closed in"),
            "{}",
            feed.leaks.summary
        );
        assert_eq!((feed.leaks.trouble.as_str(), feed.link), ("", Link::Live));

        want.send_modify(|wanted| wanted.sites = false);
        // One question may be under way.
        let before = asked.load(Ordering::Relaxed) + 1;
        let sequence = feed.model.sequence + 3;
        until(&mut feeds, |feed| feed.model.sequence >= sequence).await;
        assert!(
            asked.load(Ordering::Relaxed) <= before,
            "nobody looks any more"
        );
        drop(feeds);
        task.await.expect("it ends when nobody looks");
    }

    #[tokio::test]
    async fn a_descriptor_is_asked_for_in_full_while_somebody_looks_at_it() {
        let asked = Arc::new(AtomicU64::new(0));
        let Watched {
            mut feeds,
            want,
            task,
            _mock,
        } = Watched::of(Mock {
            details: Some(Arc::clone(&asked)),
            ..Mock::new(8)
        });
        let first = until(&mut feeds, |feed| feed.model.sequence >= 2).await;
        assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody has looked");
        let rows: Vec<_> = first.model.rows.values().take(2).collect();
        for row in rows {
            let (poller, id) = (row.poller.clone(), row.id());
            want.send_modify(|wanted| wanted.descriptor = Some((poller, id)));
            let row = |feed: &Feed| feed.described.as_ref()?.descriptor.clone();
            let is_it = |feed: &Feed| row(feed).is_some_and(|it| it.id() == id);
            let feed = until(&mut feeds, is_it).await;
            let described = row(&feed).expect("it is there");
            let sides = [&described.read, &described.write].into_iter().flatten();
            let mut waiters = sides.filter_map(|side| side.waiter.as_ref());
            assert!(waiters.all(|waiter| !waiter.stack.is_empty()));
        }
        want.send_modify(|wanted| wanted.descriptor = None);
        // One question may be under way.
        let before = asked.load(Ordering::Relaxed) + 1;
        let sequence = feeds.borrow().model.sequence + 3;
        until(&mut feeds, |feed| feed.model.sequence >= sequence).await;
        assert!(asked.load(Ordering::Relaxed) <= before);
        drop(feeds);
        task.await.expect("it ends when nobody looks");
    }

    #[tokio::test]
    async fn what_is_wrong_is_asked_for_by_itself_and_that_it_cannot_be_is_told() {
        let row = netpoller_tests::rows::row(2, netpoller_tests::rows::NOW_NS);
        let diagnosis = DiagnoseResponse {
            findings: vec![Finding {
                lint: "stuck-waiter".into(),
                descriptor: Some(row.clone()),
                ..Default::default()
            }],
            lints: vec!["stuck-waiter".into()],
            ..Default::default()
        };
        let Watched {
            mut feeds,
            want: _want,
            task,
            _mock,
        } = Watched::of(Mock {
            diagnosis: Some(diagnosis),
            ..Mock::new(3)
        });
        let found = until(&mut feeds, |feed| !feed.checkup.cases.is_empty()).await;
        assert!(found.checkup.mark(&row).is_some());
        assert!(found.checkup.ran.starts_with("1 lints were run"));
        drop(feeds);
        task.await.expect("it ends when nobody looks");

        let Watched {
            mut feeds,
            want: _want,
            task,
            _mock,
        } = Watched::of(Mock::new(3));
        let told = until(&mut feeds, |feed| !feed.checkup.trouble.is_empty()).await;
        assert_eq!(told.checkup.count(), 0);
        drop(feeds);
        task.await.expect("it ends when nobody looks");
    }

    #[tokio::test]
    async fn a_process_that_does_not_tell_its_open_sites_is_shown_all_the_same() {
        let Watched {
            mut feeds,
            want,
            task,
            _mock,
        } = Watched::of(Mock::new(3));
        want.send_modify(|wanted| wanted.sites = true);
        let told = until(&mut feeds, |feed| !feed.leaks.trouble.is_empty()).await;
        assert!(told.leaks.summary.is_empty());
        let sequence = told.model.sequence + 2;
        let later = until(&mut feeds, |feed| feed.model.sequence >= sequence).await;
        assert_eq!(later.link, Link::Live);
        drop(feeds);
        task.await.expect("it ends when nobody looks");
    }

    #[tokio::test]
    async fn a_target_that_is_gone_is_tried_again_and_again() {
        let scratch = TempDir::new().expect("make a directory");
        let target = Target::Unix(scratch.path().join("none.sock").into());
        let (mut feeds, _want, task) = watched(target);
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
