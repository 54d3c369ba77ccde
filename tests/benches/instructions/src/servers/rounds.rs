//! The beginning and the end of a round, for servers of tasks.
//!
//! The load and the server take turns: a byte on stdin begins a round, all of whose requests are
//! there by then, and a byte on stdout ends it. So each wait finds the same events, whatever the
//! speed of the machine.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use super::CONNECTIONS;

static DONE: AtomicUsize = AtomicUsize::new(0);
static MAIN: Mutex<Option<Waker>> = Mutex::new(None);

/// Waits for the next round. `false` after the last.
pub(crate) fn begin() -> io::Result<bool> {
    Ok(io::stdin().read(&mut [0])? == 1)
}

pub(crate) fn end() -> io::Result<()> {
    io::stdout().write_all(b".")?;
    io::stdout().flush()
}

/// A connection has done what it had to do in this round.
pub(crate) fn done() {
    if DONE.fetch_add(1, Ordering::Relaxed) + 1 == CONNECTIONS {
        let main = MAIN.lock().ok().and_then(|mut main| main.take());
        main.inspect(Waker::wake_by_ref);
    }
}

/// Begins and ends rounds, for as long as there are some. The connections are tasks of their own.
pub(crate) async fn all() -> io::Result<()> {
    while begin()? {
        poll_fn(|cx| {
            if DONE.load(Ordering::Relaxed) == CONNECTIONS {
                DONE.store(0, Ordering::Relaxed);
                return Poll::Ready(());
            }
            if let Ok(mut main) = MAIN.lock() {
                *main = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
        end()?;
    }
    Ok(())
}

/// Begins and ends rounds in which `open` is called once for each connection.
pub(crate) fn of_opens(mut open: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    while begin()? {
        (0..CONNECTIONS).try_for_each(|_| open())?;
        end()?;
    }
    Ok(())
}
