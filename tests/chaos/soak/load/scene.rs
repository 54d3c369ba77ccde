//! What all parts of the load share.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netpoller::time;

use super::tally::Tally;

/// What all parts of the load share.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) server: SocketAddr,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Scene {
    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes note of how `what` ended; after an error it rests a moment, so that a fault does not
    /// become a storm.
    pub(super) async fn note(&self, what: &'static str, ended: io::Result<()>) {
        if let Err(error) = ended {
            self.tally.wrong(what, &error);
            time::sleep(Duration::from_millis(100)).await;
        }
    }
}
