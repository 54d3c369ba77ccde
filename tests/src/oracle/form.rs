//! The three forms of the library's API, each as something that runs operations.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_executor::Executor;
use futures_lite::FutureExt;
use netpoller::{Poller, block_on_poller, task};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::lane::Cell;
use super::outcome::Outcome;
use super::work::{Ended, Work};

/// A form of the library's API.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// Each operation on a thread of its own, by a blocking handle if its type has one; the other
    /// threads only poll.
    Blocking,
    /// An executor on threads that are each inside `block_on_poller`.
    BlockOn,
    /// tokio.
    Tokio,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 3] = [Form::Blocking, Form::BlockOn, Form::Tokio];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Form::Blocking => "blocking",
            Form::BlockOn => "block-on",
            Form::Tokio => "tokio",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let form = Form::ALL.into_iter().find(|form| form.name() == name);
        form.ok_or_else(|| format!("no form is called {name:?}: use blocking, block-on or tokio"))
    }
}

/// A poller and those who run operations on it.
#[derive(Debug)]
pub(super) struct Engine {
    poller: Poller,
    hands: Hands,
}

#[derive(Debug)]
enum Hands {
    Blocking(Idle),
    BlockOn(Arc<Executor<'static>>, Idle),
    Tokio(Runtime),
}

/// Threads that poll until they are told to stop.
#[derive(Debug)]
struct Idle {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Idle {
    fn start(
        poller: &Poller,
        threads: usize,
        executor: Option<&Arc<Executor<'static>>>,
    ) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let spawn = |number| {
            let (poller, executor, mut stopped) =
                (poller.clone(), executor.cloned(), stopped.clone());
            let thread = std::thread::Builder::new().name(format!("hand-{number}"));
            thread.spawn(move || {
                block_on_poller(&poller, async {
                    // The sender lives until it has sent, and an error would mean the same.
                    let stopped = async { drop(stopped.wait_for(|stop| *stop).await) };
                    match &executor {
                        Some(executor) => executor.run(stopped).await,
                        None => stopped.await,
                    }
                });
            })
        };
        let threads = (0..threads).map(spawn).collect::<io::Result<_>>()?;
        Ok(Self { stop, threads })
    }

    fn stop(self) {
        // Nobody listens if there are no threads.
        let _ = self.stop.send(true);
        for thread in self.threads {
            // A panic has been reported by its hook.
            let _ = thread.join();
        }
    }
}

impl Engine {
    /// Starts `form` with `threads` threads on a poller of its own.
    ///
    /// # Errors
    ///
    /// If the kernel gives no thread or no epoll instance.
    pub(super) fn start(form: Form, threads: usize) -> io::Result<Self> {
        let poller = Poller::builder().build()?;
        let hands = match form {
            // The thread of a lane polls; what is more than that one is there to pass the role on
            // to.
            Form::Blocking => Hands::Blocking(Idle::start(&poller, threads.max(1) - 1, None)?),
            Form::BlockOn => {
                let executor = Arc::new(Executor::new());
                let idle = Idle::start(&poller, threads.max(1), Some(&executor))?;
                Hands::BlockOn(executor, idle)
            }
            Form::Tokio => Hands::Tokio(
                tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(threads.max(1))
                    .enable_all()
                    .build()?,
            ),
        };
        Ok(Self { poller, hands })
    }

    /// The poller.
    pub(super) fn poller(&self) -> &Poller {
        &self.poller
    }

    /// Starts an operation on a lane. Its end is put into what is returned.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub(super) fn go(&self, lane: &str, work: Work) -> io::Result<Arc<Cell>> {
        let cell = Arc::new(Cell::default());
        let (ours, poller) = (cell.clone(), self.poller.clone());
        let panicked = |_| Ended::from(Outcome::panic());
        match &self.hands {
            Hands::Blocking(_) => {
                // The tables then show the lane as the thread that waits.
                let thread = std::thread::Builder::new().name(lane.to_owned());
                drop(thread.spawn(move || {
                    let ended = catch_unwind(AssertUnwindSafe(|| work.block(&poller)));
                    ours.set(ended.unwrap_or_else(panicked));
                })?);
            }
            Hands::BlockOn(executor, _) => {
                let future = async move {
                    let ended = AssertUnwindSafe(work.run(&poller)).catch_unwind().await;
                    ours.set(ended.unwrap_or_else(panicked));
                };
                executor.spawn(task::named(lane, future)).detach();
            }
            Hands::Tokio(runtime) => {
                let future = async move {
                    let ended = AssertUnwindSafe(work.run(&poller)).catch_unwind().await;
                    ours.set(ended.unwrap_or_else(panicked));
                };
                drop(runtime.spawn(task::named(lane, future)));
            }
        }
        Ok(cell)
    }

    /// Stops the threads. Operations that hang are left behind.
    pub(super) fn stop(self) -> Poller {
        match self.hands {
            Hands::Blocking(idle) | Hands::BlockOn(_, idle) => idle.stop(),
            Hands::Tokio(runtime) => runtime.shutdown_timeout(Duration::from_secs(3)),
        }
        self.poller
    }
}
