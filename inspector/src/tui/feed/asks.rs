//! What the process is asked for beside its table, while somebody looks at it.

use std::convert::Infallible;
use std::sync::Arc;

use netpoller_proto::v1::ListSitesResponse;
use tokio::sync::watch;

use super::super::known::{Leaks, Wanted};
use super::asked::Asked;
use super::cause::cause;

/// Asks for the lines that open descriptors.
#[derive(Debug, Default)]
pub(super) struct Sites {
    /// The first answer of this life of the process.
    first: Option<ListSitesResponse>,
}

impl Sites {
    /// Once an interval, while somebody looks.
    pub(super) async fn ask(
        &mut self,
        asked: &Asked<'_>,
        mut wanted: watch::Receiver<Wanted>,
    ) -> Infallible {
        let feed = asked.feed;
        let mut moves = asked.moves();
        loop {
            moves.see();
            if wanted.wait_for(|wanted| wanted.sites).await.is_err() {
                return std::future::pending().await;
            }
            let leaks = match asked.connection.sites().await {
                Ok(now) => {
                    asked.kept.keep(|memory| memory.sites(now.clone()));
                    let first = match self.first.take() {
                        Some(first) if first.epoch == now.epoch => first,
                        _ => now.clone(),
                    };
                    Leaks::between(self.first.insert(first), now)
                }
                Err(failure) => Leaks {
                    trouble: cause(failure, Some("the open sites did not come in time")),
                    ..match asked.connection.is_recording() {
                        // What was open at another moment is not what is open at this one.
                        true => Leaks::default(),
                        false => Leaks::clone(&feed.borrow().leaks),
                    }
                },
            };
            feed.send_modify(|feed| feed.leaks = Arc::new(leaks));
            tokio::select! {
                () = tokio::time::sleep(asked.interval) => {}
                () = moves.moved() => {}
            }
        }
    }
}

/// Asks once how what was recorded went on, when somebody wants to know. Of a process it is told
/// with the table.
pub(super) async fn timeline(asked: &Asked<'_>, mut wanted: watch::Receiver<Wanted>) -> Infallible {
    let is_wanted = wanted.wait_for(|wanted| wanted.timeline).await.is_ok();
    if let Some(timeline) = asked.connection.timeline().await.filter(|_| is_wanted) {
        asked.feed.send_modify(|feed| {
            feed.timeline = timeline;
            feed.is_timeline_whole = true;
        });
    }
    std::future::pending().await
}

/// Asks for one descriptor in full.
pub(super) struct Detail(pub(super) watch::Receiver<Wanted>);

impl Detail {
    /// Once an interval, while somebody looks at one, and at once if that becomes another one.
    pub(super) async fn ask(&mut self, asked: &Asked<'_>) -> Infallible {
        let mut moves = asked.moves();
        loop {
            moves.see();
            let wanted = self.0.wait_for(|wanted| wanted.descriptor.is_some()).await;
            let wanted = wanted.ok().and_then(|it| it.descriptor.clone());
            let Some((poller, id)) = wanted else {
                return std::future::pending().await;
            };
            // What is gone is shown as it was.
            if let Ok(answer) = asked.connection.descriptor(poller, id).await {
                let described = Some(Arc::new(answer));
                asked.feed.send_modify(|feed| feed.described = described);
            }
            tokio::select! {
                () = tokio::time::sleep(asked.interval) => {}
                () = moves.moved() => {}
                _ = self.0.changed() => {}
            }
        }
    }
}
