//! The connection of the terminal UI: watches, connects again when the stream breaks, and remembers
//! what it was told.
//!
//! It folds frames on a thread of its own and publishes only whole groups, so that the UI neither
//! waits for the network nor sees half a table. The last state is all that is kept for a slow UI.
//!
//! | file | holds |
//! |---|---|
//! | `live` | the process, or the recording, as it goes on |
//! | `past` | what is remembered of a process |
//! | `kept` | remembering it |
//! | `fold` | the table |
//! | `rest`: `asks`, `doctor`, `events` | what is asked for beside it |
//! | `asked` | what all who ask have in common |
//! | `travel` | another moment of what was recorded |
//! | `cause` | why something did not come, in a few words |

mod asked;
mod asks;
mod cause;
mod doctor;
mod events;
mod fold;
mod kept;
mod live;
mod past;
mod rest;
mod travel;

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;

use super::known::{Feed, Wanted};
use crate::source::Target;
use asked::Terms;
use kept::Kept;

/// Watches the target until nobody looks any more. It asks for the rest while that is `wanted`.
pub(crate) async fn run(
    target: Target,
    interval: Duration,
    timeout: Duration,
    feed: watch::Sender<Feed>,
    wanted: watch::Receiver<Wanted>,
) {
    let terms = Terms {
        target,
        interval,
        timeout,
    };
    let (live, past) = (
        watch::Sender::new(Feed::default()),
        watch::Sender::new(Feed::default()),
    );
    let kept = Kept::default();
    tokio::select! {
        never = live::follow(&terms, &live, &kept, &wanted) => match never {},
        never = past::follow(&terms, &past, &kept, wanted.clone()) => match never {},
        never = show(&live, &past, wanted.clone(), &feed) => match never {},
        () = feed.closed() => {}
    }
}

/// Publishes the process as it is, or as it was while that is wanted and known.
async fn show(
    live: &watch::Sender<Feed>,
    past: &watch::Sender<Feed>,
    mut wanted: watch::Receiver<Wanted>,
    feed: &watch::Sender<Feed>,
) -> Infallible {
    let (mut live, mut past) = (live.subscribe(), past.subscribe());
    let mut in_memory = false;
    loop {
        let is_past = in_memory && past.borrow_and_update().is_remembered;
        tokio::select! {
            _ = live.changed(), if !is_past => {}
            _ = past.changed() => {}
            changed = changed(&mut wanted, in_memory) => in_memory = changed,
        }
        let shown = match in_memory && past.borrow().is_remembered {
            true => past.borrow_and_update().clone(),
            false => live.borrow_and_update().clone(),
        };
        feed.send_replace(shown);
    }
}

/// Whether the past is wanted, once that is no longer as it was.
async fn changed(wanted: &mut watch::Receiver<Wanted>, in_memory: bool) -> bool {
    let changed = wanted.wait_for(|it| it.travel.in_memory != in_memory).await;
    match changed.map(|wanted| wanted.travel.in_memory) {
        Ok(now) => now,
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::super::known::{Link, Travel};
    use super::*;
    use netpoller_proto::v1::{DiagnoseResponse, Finding};
    use netpoller_tests::mock::{Mock, Running};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tempfile::TempDir;
    use tokio::task::JoinHandle;

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

    #[tokio::test]
    async fn what_a_process_has_told_is_remembered_even_when_it_is_gone() {
        let Watched {
            mut feeds,
            want,
            task,
            _mock,
        } = Watched::of(Mock {
            groups: Some(5),
            ..Mock::new(30)
        });
        let last = until(&mut feeds, |feed| matches!(feed.link, Link::Lost { .. })).await;
        assert!(!last.is_remembered);
        drop(_mock);
        let travelled = |steps| Travel {
            in_memory: true,
            steps,
            finds: 0,
        };
        want.send_modify(|wanted| wanted.travel = travelled(-1));
        let is_past = |feed: &Feed| feed.is_remembered && feed.link == Link::Live;
        let first = until(&mut feeds, is_past).await;
        assert_eq!(first.model.rows.len(), 30);
        let recording = first.server.as_ref().and_then(|it| it.recording.clone());
        let (begins_at_ns, ends_at_ns) = recording
            .map(|it| (it.begins_at_ns, it.ends_at_ns))
            .expect("which moments there are");
        assert!(begins_at_ns < ends_at_ns && first.model.captured_at_ns < ends_at_ns);
        want.send_modify(|wanted| wanted.travel = travelled(-1_000));
        let begins = |feed: &Feed| feed.model.captured_at_ns == begins_at_ns;
        until(&mut feeds, begins).await;
        want.send_modify(|wanted| wanted.travel = travelled(1_000));
        until(&mut feeds, |feed| feed.is_over).await;
        want.send_modify(|wanted| wanted.travel.in_memory = false);
        let now = until(&mut feeds, |feed| !feed.is_remembered).await;
        assert_eq!(now.model.captured_at_ns, last.model.captured_at_ns);
        drop(feeds);
        task.await.expect("it ends when nobody looks");
    }
}
