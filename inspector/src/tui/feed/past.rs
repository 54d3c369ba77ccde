//! What is remembered of a process, while somebody looks at that.

use std::convert::Infallible;

use tokio::sync::watch;

use super::super::known::{Feed, Travel, Wanted};
use super::asked::{Asked, Terms};
use super::asks::Sites;
use super::fold::fold;
use super::kept::Kept;
use super::rest::rest;

/// Tells how it was, whenever somebody goes back from now.
pub(super) async fn follow(
    terms: &Terms,
    past: &watch::Sender<Feed>,
    kept: &Kept,
    mut wanted: watch::Receiver<Wanted>,
) -> Infallible {
    let mut stays = wanted.clone();
    let mut from = Travel::default();
    loop {
        let goes = wanted.wait_for(|wanted| {
            if !wanted.travel.in_memory {
                from = wanted.travel;
            }
            wanted.travel.in_memory
        });
        if goes.await.map(drop).is_err() {
            return std::future::pending().await;
        }
        let left = async { stays.wait_for(|it| !it.travel.in_memory).await.map(drop) };
        tokio::select! {
            never = look(terms, past, kept, &wanted, from) => match never {},
            left = left => if left.is_err() {
                return std::future::pending().await;
            },
        }
        past.send_replace(Feed::default());
    }
}

async fn look(
    terms: &Terms,
    past: &watch::Sender<Feed>,
    kept: &Kept,
    wanted: &watch::Receiver<Wanted>,
    from: Travel,
) -> Infallible {
    let recalled = match kept.recall() {
        Some(recalled) => recalled.connect(&terms.target, terms.timeout).await,
        // Nothing has come yet, so that there is only now.
        None => return std::future::pending().await,
    };
    let Ok(connection) = recalled else {
        return std::future::pending().await;
    };
    let nothing = Kept::default();
    let asked = Asked {
        connection: &connection,
        interval: terms.interval,
        feed: past,
        kept: &nothing,
        is_memory: true,
    };
    let (mut sites, mut attempt) = (Sites::default(), 0);
    tokio::select! {
        // What answers is this command itself, and there is no more to be asked.
        _ = fold(&asked, &mut attempt) => std::future::pending().await,
        never = rest(&asked, &mut sites, wanted, from) => never,
    }
}
