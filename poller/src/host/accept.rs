//! What to do when accept(2) fails: go on at once, give up the reserve, or wait.

use std::fs::File;
use std::io;
use std::time::Duration;

/// First and longest pause.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// The pause of an accept loop. At the limit of open files accept fails at once and the listener stays readable: a loop
/// that does not pause then burns a core until somebody closes a file.
///
/// A process that has run out of files is one that somebody wants to look at. Therefore a descriptor is held in reserve,
/// and given up for whoever comes first then.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    reserve: Option<File>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            pause: Duration::ZERO,
            reserve: hold(),
        }
    }
}

/// Any descriptor will do.
fn hold() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Backoff {
    /// A connection came.
    pub(crate) fn reset(&mut self) {
        self.pause = Duration::ZERO;
        self.reserve = self.reserve.take().or_else(hold);
    }

    /// Waits as long as `error` calls for.
    pub(crate) async fn wait(&mut self, error: &io::Error) {
        if is_of_one_connection(error) {
            return;
        }
        let out_of_files = matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
        if out_of_files && self.reserve.take().is_some() {
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
    fn at_the_limit_of_files_the_reserve_goes_first_then_the_pause_grows_and_a_lost_connection_costs_none()
     {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut backoff = Backoff::default();
            let full = io::Error::from_raw_os_error(libc::EMFILE);
            backoff.wait(&full).await;
            assert_eq!(
                (backoff.pause, backoff.reserve.is_none()),
                (Duration::ZERO, true)
            );
            backoff.wait(&full).await;
            backoff.wait(&full).await;
            assert_eq!(backoff.pause, SHORTEST * 2);
            backoff.reset();
            assert!(backoff.reserve.is_some());
            backoff
                .wait(&io::Error::from_raw_os_error(libc::ECONNABORTED))
                .await;
            assert_eq!(backoff.pause, Duration::ZERO);
        });
    }
}
