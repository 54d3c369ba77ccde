//! What to do when accept(2) fails: go on at once, or wait.

use std::io;
use std::time::Duration;

/// First and longest pause.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// The pause of an accept loop. At the limit of open files accept fails at once and the listener stays readable: a loop
/// that does not pause then burns a core until somebody closes a file.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    pause: Duration,
}

impl Backoff {
    /// A connection came.
    pub(crate) fn reset(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// Waits as long as `error` calls for.
    pub(crate) async fn wait(&mut self, error: &io::Error) {
        if is_of_one_connection(error) {
            return;
        }
        self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
        tokio::time::sleep(self.pause).await;
    }
}

/// The connection failed, not the listener: the next one may be there already.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_at_the_limit_of_files_and_a_lost_connection_costs_none() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut backoff = Backoff::default();
            let full = io::Error::from_raw_os_error(libc::EMFILE);
            backoff.wait(&full).await;
            backoff.wait(&full).await;
            assert_eq!(backoff.pause, SHORTEST * 2);
            backoff.reset();
            backoff
                .wait(&io::Error::from_raw_os_error(libc::ECONNABORTED))
                .await;
            assert_eq!(backoff.pause, Duration::ZERO);
        });
    }
}
