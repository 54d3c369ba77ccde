//! What to do when accept(2) fails: go on at once, give up a descriptor of the reserve, or wait.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use netpoller_core::internals::{self, AcceptFailure, AcceptPause};
use socket2::SockRef;

/// Descriptors in reserve: the service, which is short of them too, may be the first to take what
/// is given up.
const RESERVE: usize = 2;

/// Descriptors for when the process has none left, which is when somebody wants to look at it.
///
/// One is given up for whoever comes then. When that client goes, its descriptor must not be
/// closed: the service waits for just that, and would have it. So it comes back here, and is made
/// to stand for something else in one step.
#[derive(Clone, Debug)]
pub struct Reserve(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    /// What those in reserve are open on. It is never given up.
    nothing: Option<File>,
    held: Mutex<Vec<OwnedFd>>,
}

impl Default for Reserve {
    fn default() -> Self {
        let reserve = Self(Arc::new(Kept {
            nothing: File::open("/dev/null").ok(),
            held: Mutex::default(),
        }));
        reserve.fill();
        reserve
    }
}

impl Reserve {
    /// Takes what is missing from the process.
    fn fill(&self) {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        while held.len() < RESERVE
            && let Some(nothing) = &self.0.nothing
            && let Ok(another) = nothing.try_clone()
        {
            held.push(another.into());
        }
    }

    /// Gives one up, and accepts whoever waits at `listener` in the next call: nothing comes
    /// between, for the service may try the same at any moment. The socket does not block.
    fn accept(&self, listener: &impl AsFd) -> Option<OwnedFd> {
        let held = self.0.held.lock();
        let one = held.unwrap_or_else(PoisonError::into_inner).pop()?;
        let listener = SockRef::from(listener);
        drop(one);
        let accepted = listener.accept();
        let Ok((socket, _)) = accepted else {
            // Who waited has gone, or the service was quicker.
            self.fill();
            return None;
        };
        socket.set_nonblocking(true).ok()?;
        Some(socket.into())
    }

    /// Ends with a descriptor: keeps its number, if one is missing, and closes it otherwise.
    pub fn take_back(&self, fd: impl Into<OwnedFd>) {
        let fd = fd.into();
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() < RESERVE
            && let Some(nothing) = &self.0.nothing
            && internals::replace(nothing.as_fd(), &fd).is_ok()
        {
            held.push(fd);
        }
    }
}

/// What an accept loop keeps to get over the limit of open files.
#[derive(Debug)]
pub struct Backoff {
    pause: AcceptPause,
    reserve: Reserve,
}

impl Backoff {
    /// One that may give up what is in `reserve`.
    pub fn new(reserve: Reserve) -> Self {
        Self {
            pause: AcceptPause::default(),
            reserve,
        }
    }

    /// A connection came.
    pub fn reset(&mut self) {
        self.pause.reset();
    }

    /// Waits as long as `error`, of accepting at `listener`, calls for; or accepts from the
    /// reserve.
    pub async fn wait(&mut self, error: &io::Error, listener: &impl AsFd) -> Option<OwnedFd> {
        match AcceptFailure::of(error) {
            AcceptFailure::Connection => return None,
            AcceptFailure::Descriptors => {
                if let Some(accepted) = self.reserve.accept(listener) {
                    return Some(accepted);
                }
            }
            // Nobody is there to tell of it, and the next one may be accepted.
            AcceptFailure::Memory | AcceptFailure::Listener => {}
        }
        tokio::time::sleep(self.pause.longer()).await;
        // Somebody may have closed something, and others take what is free as quickly as we do.
        self.reserve.fill();
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn held(reserve: &Reserve) -> usize {
        reserve.0.held.lock().unwrap().len()
    }

    #[test]
    fn at_the_limit_of_files_the_reserve_goes_first_then_the_pause_grows_and_a_lost_connection_costs_none()
     {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let reserve = Reserve::default();
            let mut backoff = Backoff::new(reserve.clone());
            let full = io::Error::from_raw_os_error(libc::EMFILE);
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let address = listener.local_addr().unwrap();
            let _waiting: Vec<_> = (0..RESERVE)
                .map(|_| std::net::TcpStream::connect(address).unwrap())
                .collect();
            for left in [1, 0] {
                let accepted = backoff.wait(&full, &listener).await;
                assert!(accepted.is_some());
                assert_eq!(
                    (backoff.pause, held(&reserve)),
                    (AcceptPause::default(), left)
                );
            }
            assert!(backoff.wait(&full, &listener).await.is_none());
            let mut expected = AcceptPause::default();
            expected.longer();
            assert_eq!(backoff.pause, expected);
            // There were files again.
            assert_eq!(held(&reserve), RESERVE);
            // Nobody waits: nothing is lost.
            assert!(backoff.wait(&full, &listener).await.is_none());
            expected.longer();
            assert_eq!((backoff.pause, held(&reserve)), (expected, RESERVE));
            backoff.reset();
            let lost = io::Error::from_raw_os_error(libc::ECONNABORTED);
            assert!(backoff.wait(&lost, &listener).await.is_none());
            assert_eq!(backoff.pause, AcceptPause::default());
        });
    }

    #[test]
    fn what_comes_back_keeps_its_number_and_ends_the_connection_and_is_closed_only_if_none_is_missing()
     {
        let reserve = Reserve::default();
        reserve.0.held.lock().unwrap().pop();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let number = ours.as_raw_fd();
        reserve.take_back(ours);
        assert_eq!(io::Read::read(&mut &theirs, &mut [0]).unwrap(), 0);
        let link = |number| std::fs::read_link(format!("/proc/self/fd/{number}"));
        assert_eq!(link(number).unwrap().to_str(), Some("/dev/null"));
        assert_eq!(held(&reserve), RESERVE);
        let (ours, theirs) = UnixStream::pair().unwrap();
        reserve.take_back(ours);
        assert_eq!(io::Read::read(&mut &theirs, &mut [0]).unwrap(), 0);
        assert_eq!(held(&reserve), RESERVE);
    }
}
