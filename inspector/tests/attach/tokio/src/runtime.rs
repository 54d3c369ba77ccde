//! The runtime on which all of it runs, of the kind that is asked for.

use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

type Job = Box<dyn FnOnce() + Send>;

/// Where tasks are started.
#[derive(Clone)]
pub struct Runtime {
    handle: Handle,
    /// Whoever takes them into a `LocalSet`, if they are of one.
    local: Option<UnboundedSender<Job>>,
}

impl Runtime {
    /// Starts one: its kind as in the README.
    pub fn start(kind: &str) -> Option<Self> {
        let mut builder = match kind {
            "multi-thread" | "one-worker" => Builder::new_multi_thread(),
            "current-thread" | "local" => Builder::new_current_thread(),
            _ => return None,
        };
        let workers = if kind == "one-worker" { 1 } else { 2 };
        let runtime = builder.worker_threads(workers).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let handle = runtime.handle().clone();
        let (sender, mut jobs) = unbounded_channel::<Job>();
        let local = (kind == "local").then_some(sender);
        let is_local = local.is_some();
        thread::spawn(move || match is_local {
            true => LocalSet::new().block_on(&runtime, async {
                while let Some(job) = jobs.recv().await {
                    job();
                }
            }),
            false => runtime.block_on(std::future::pending()),
        });
        Some(Self { handle, local })
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Starts a task, of a future as it is: nothing is around it.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(local) = &self.local else {
            return self.handle.spawn(future);
        };
        let (sender, receiver) = sync_channel(1);
        let job: Job = Box::new(move || drop(sender.send(spawn_local(future))));
        assert!(local.send(job).is_ok(), "the set of tasks runs");
        receiver.recv().expect("the set of tasks runs")
    }

    /// The same, of one that nobody asks for: a task may call this.
    pub fn spawn_and_forget<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &self.local {
            None => drop(self.handle.spawn(future)),
            Some(local) => drop(local.send(Box::new(|| drop(spawn_local(future))))),
        }
    }
}
