//! Whoever waits, and what it notes of itself.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{any, fs, thread};

use tokio::task::JoinHandle;

use crate::json::Json;
use crate::runtime::Runtime;
use crate::settle::PATIENCE;

/// How a waiter is known to its descriptor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// In the one place that there is for whoever polls.
    Slot,
    /// In the list of those that await readiness.
    List,
    /// In the slot still, though it awaits something else by now.
    Registered,
}

/// What a future notes, and what it is told.
#[derive(Default)]
struct Notes {
    /// Lines of the awaits of this program, the outermost first.
    outer: Mutex<Vec<&'static Location<'static>>>,
    inner: Mutex<Option<&'static Location<'static>>>,
    since: AtomicI64,
    again: AtomicBool,
    over: AtomicBool,
}

/// What a future has of its notes. Without it, it has ended.
pub struct Note(Arc<Notes>);

impl Note {
    /// Notes the line after the one that calls this: the future awaits one of its own there.
    #[track_caller]
    pub fn calls(&self) {
        let mut lines = self.0.outer.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(Location::caller());
    }

    /// The same, of one that is not its own.
    #[track_caller]
    pub fn next(&self) {
        let mut line = self.0.inner.lock().unwrap_or_else(PoisonError::into_inner);
        *line = Some(Location::caller());
        drop(line);
        self.0.since.store(monotonic_ns(), Ordering::SeqCst);
    }

    /// Whether it goes on when its wait ends.
    pub fn goes_on(&self) -> bool {
        self.0.again.load(Ordering::SeqCst)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

/// What runs a future.
enum Runner {
    Task { id: i64, handle: JoinHandle<()> },
    Thread { id: i64 },
}

/// A future that waits, or has waited.
pub struct Waiter {
    pub how: How,
    pub place: String,
    /// What rustc calls its type.
    future: &'static str,
    runner: Runner,
    notes: Arc<Notes>,
}

/// Starts waiters.
pub struct Starter<'a> {
    pub runtime: &'a Runtime,
    /// Whether a thread of its own runs it, instead of a task.
    pub as_thread: bool,
    /// Whether somebody is in the slot, whom nobody would wake any more if another came there.
    pub is_taken: bool,
    pub place: &'a str,
}

impl Starter<'_> {
    /// Starts one of a future, which is made of a note.
    pub fn begin<F>(&self, how: How, make: impl FnOnce(Note) -> F) -> Result<Waiter, String>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.is_taken && how != How::List {
            return Err("somebody is in the slot".to_owned());
        }
        let notes = Arc::<Notes>::default();
        notes.since.store(monotonic_ns(), Ordering::SeqCst);
        let future = make(Note(Arc::clone(&notes)));
        let runner = match self.as_thread {
            false => task(self.runtime.spawn(future)),
            true => on_thread(self.runtime, future),
        };
        Ok(Waiter {
            how,
            place: self.place.to_owned(),
            future: any::type_name::<F>(),
            runner,
            notes,
        })
    }
}

fn task(handle: JoinHandle<()>) -> Runner {
    let id = number(&handle);
    Runner::Task { id, handle }
}

/// A task knows its number, and releases of tokio in which it may not be asked for that print it.
pub fn number(handle: &JoinHandle<()>) -> i64 {
    let printed = format!("{handle:?}");
    let digits = |it: char| it.is_ascii_digit();
    let id = printed
        .split(|it| !digits(it))
        .find_map(|it| it.parse().ok());
    id.unwrap_or_else(|| panic!("no number in {printed}"))
}

fn on_thread<F>(runtime: &Runtime, future: F) -> Runner
where
    F: Future<Output = ()> + Send + 'static,
{
    let handle = runtime.handle().clone();
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    thread::spawn(move || {
        let this = fs::read_link("/proc/thread-self").ok();
        let id = this.as_ref().and_then(|it| it.file_name()?.to_str());
        let _ = sender.send(id.and_then(|it| it.parse().ok()).unwrap_or_default());
        handle.block_on(future);
    });
    let id = receiver.recv().unwrap_or_default();
    Runner::Thread { id }
}

impl Waiter {
    pub fn is_over(&self) -> bool {
        self.notes.over.load(Ordering::SeqCst)
    }

    pub fn is_thread(&self) -> bool {
        self.id().is_none()
    }

    /// Its number, if it is a task.
    pub fn id(&self) -> Option<i64> {
        match self.runner {
            Runner::Task { id, .. } => Some(id),
            Runner::Thread { .. } => None,
        }
    }

    pub fn since(&self) -> i64 {
        self.notes.since.load(Ordering::SeqCst)
    }

    pub fn set_again(&self, again: bool) {
        self.notes.again.store(again, Ordering::SeqCst);
    }

    /// Ends it, whatever it waits for.
    pub fn abort(&self) -> Result<(), String> {
        let Runner::Task { handle, .. } = &self.runner else {
            return Err("a thread waits there, which cannot be ended".to_owned());
        };
        handle.abort();
        eventually(|| handle.is_finished())
    }

    pub fn fact(&self) -> Json {
        let outer = self.notes.outer.lock();
        let outer = outer.unwrap_or_else(PoisonError::into_inner).clone();
        let inner = *self
            .notes
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let lines = inner.into_iter().chain(outer.into_iter().rev());
        let awaits = lines.map(|it| {
            Json::Object(vec![
                ("file", Json::Text(it.file().to_owned())),
                ("line", Json::Number(i64::from(it.line()) + 1)),
            ])
        });
        let (task, thread) = match &self.runner {
            Runner::Task { id, .. } => (Json::Number(*id), Json::Null),
            Runner::Thread { id } => (Json::Null, Json::Number(*id)),
        };
        let how = match self.how {
            How::List => "list",
            How::Slot | How::Registered => "slot",
        };
        Json::Object(vec![
            ("task", task),
            ("thread", thread),
            ("how", Json::Text(how.to_owned())),
            ("awaits_it", Json::Bool(self.how != How::Registered)),
            ("place", Json::Text(self.place.clone())),
            ("future", Json::Text(self.future.to_owned())),
            ("awaits", Json::List(awaits.collect())),
            ("since_monotonic_ns", Json::Number(self.since())),
        ])
    }
}

/// Waits until that is so.
pub fn eventually(mut is_so: impl FnMut() -> bool) -> Result<(), String> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > PATIENCE {
            return Err("it does not come to that".to_owned());
        }
        thread::sleep(std::time::Duration::from_micros(200));
    }
    Ok(())
}

/// The time of the clock that does not jump.
pub fn monotonic_ns() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it is written to what is given, and the clock is there on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
