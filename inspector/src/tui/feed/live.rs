//! The process, or the recording, as it goes on.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::sync::watch;

use super::super::known::{Feed, Link, Wanted};
use super::asked::{Asked, Terms};
use super::asks::Sites;
use super::cause::cause;
use super::fold::fold;
use super::kept::Kept;
use super::rest::rest;
use crate::source::connect;

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Follows the target, and connects again when that fails or ends.
pub(super) async fn follow(
    terms: &Terms,
    feed: &watch::Sender<Feed>,
    kept: &Kept,
    wanted: &watch::Receiver<Wanted>,
) -> Infallible {
    let mut attempt = 0;
    let mut sites = Sites::default();
    loop {
        let reason = look(terms, feed, kept, wanted, &mut sites, &mut attempt).await;
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
        tokio::time::sleep(retry_in).await;
    }
}

/// Looks for as long as one connection lasts, and says why it has ended.
async fn look(
    terms: &Terms,
    feed: &watch::Sender<Feed>,
    kept: &Kept,
    wanted: &watch::Receiver<Wanted>,
    sites: &mut Sites,
    attempt: &mut u32,
) -> String {
    let connection = match connect(&terms.target, terms.timeout).await {
        Ok(connection) => connection,
        Err(failure) => return cause(failure, None),
    };
    kept.begin(&connection);
    feed.send_modify(|feed| feed.meet(&connection.server));
    let asked = Asked {
        connection: &connection,
        interval: terms.interval,
        feed,
        kept,
        is_memory: false,
    };
    let from = wanted.borrow().travel;
    tokio::select! {
        reason = fold(&asked, attempt) => reason,
        never = rest(&asked, sites, wanted, from) => match never {},
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

    #[test]
    fn pauses_double_up_to_a_bound() {
        assert_eq!(pause(1, 0), FIRST_RETRY);
        assert_eq!(pause(2, 0), FIRST_RETRY * 2);
        assert_eq!(pause(100, 0), LAST_RETRY);
        for chance in [0, 1, u64::MAX] {
            assert!(pause(3, chance) > FIRST_RETRY * 2 && pause(3, chance) <= FIRST_RETRY * 4);
        }
    }
}
