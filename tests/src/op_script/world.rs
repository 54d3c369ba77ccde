//! What comes out: a poller of its own, polled by hand on this thread, and real sockets.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use netpoller::net::UnixStream;
use netpoller::{Error, Poller, ReadyList};

use super::model::next;
use super::script::{Deadline, Op, Outcome, STREAMS};

/// Whether its future wants to be polled.
#[derive(Debug)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

struct Read {
    future: Pin<Box<dyn Future<Output = Outcome>>>,
    flag: Arc<Flag>,
}

struct Stream {
    stream: Rc<UnixStream>,
    reads: Vec<Read>,
    next: u8,
}

/// The poller, its streams, and the reads that are pending.
pub(super) struct World {
    poller: Poller,
    ready: ReadyList,
    streams: Vec<Stream>,
}

impl World {
    pub(super) fn new() -> Self {
        let poller = Poller::builder().build().expect("a poller");
        let mut world = Self {
            poller,
            ready: ReadyList::default(),
            streams: Vec::new(),
        };
        while world.streams.len() < STREAMS {
            let pair = world.pair();
            world.streams.extend(pair);
        }
        world
    }

    fn pair(&self) -> [Stream; 2] {
        let (a, b) = self.poller.in_scope(|| UnixStream::pair()).expect("a pair");
        [a, b].map(|stream| Stream {
            stream: Rc::new(stream),
            reads: Vec::new(),
            next: 0,
        })
    }

    /// Does the operation; how it ended, if it did at once.
    pub(super) fn apply(&mut self, stream: usize, op: Op) -> Option<Outcome> {
        let this = &mut self.streams[stream];
        match op {
            Op::Read(size) => this.reads.push(read(&this.stream, size)),
            Op::DropRead(place) => drop(this.reads.remove(place)),
            Op::Write(size) => return Some(this.write(size)),
            Op::ReadDeadline(deadline) => this
                .stream
                .set_read_deadline(instant(deadline))
                .expect("it is open"),
            Op::WriteDeadline(deadline) => this
                .stream
                .set_write_deadline(instant(deadline))
                .expect("it is open"),
            Op::ShutdownWrite => match this.stream.shutdown(std::net::Shutdown::Write) {
                Ok(()) => {}
                // The peer has gone; there is nothing to end any more.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                Err(error) => return Some(Outcome::Other(format!("shutdown: {error}"))),
            },
            // It ends when the last reader has let go, and those are polled after.
            Op::Close => drop(this.stream.close().expect("it is open")),
            Op::Reopen => {
                let [a, b] = self.pair();
                let first = stream & !1;
                self.streams[first] = a;
                self.streams[first + 1] = b;
            }
            Op::Break => self.poller.wake().expect("a break"),
        }
        None
    }

    /// Polls the poller and then the reads that were woken, until nothing moves. Those that have
    /// ended, of each stream, in order.
    ///
    /// Of all streams together: a closed one tells its peer only once its own readers have let go.
    pub(super) fn settle(&mut self) -> [Vec<Outcome>; STREAMS] {
        let mut ended: [Vec<Outcome>; STREAMS] = Default::default();
        loop {
            self.poller
                .poll(Some(Duration::ZERO), &mut self.ready)
                .expect("a poll");
            self.ready.wake_all();
            let mut moved = false;
            for (stream, ended) in self.streams.iter_mut().zip(&mut ended) {
                stream.reads.retain_mut(|read| {
                    if !read.flag.0.swap(false, Ordering::AcqRel) {
                        return true;
                    }
                    moved = true;
                    let waker = Waker::from(Arc::clone(&read.flag));
                    match read.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        Poll::Ready(outcome) => ended.push(outcome),
                        Poll::Pending => return true,
                    }
                    false
                });
            }
            if !moved {
                return ended;
            }
        }
    }

    /// So many are counted as waiting (semantics 49).
    pub(super) fn check_waiters(&self, parked: usize) {
        assert_eq!(
            self.poller.waiters(),
            parked as i64,
            "waiters are counted wrongly"
        );
    }

    /// Nothing is left, and the laws balance.
    pub(super) fn finish(self) {
        drop(self.streams);
        assert_eq!(self.poller.waiters(), 0, "somebody is counted as waiting");
        assert_eq!(self.poller.info().descriptors, 0, "a descriptor is left");
        let laws = self.poller.audit_quiescent().expect("no forked child");
        let broken: Vec<_> = laws
            .iter()
            .filter(|law| law.violated || law.lhs != law.rhs)
            .collect();
        assert!(!laws.is_empty() && broken.is_empty(), "{broken:?}");
    }
}

impl Stream {
    fn write(&mut self, size: usize) -> Outcome {
        // What is not written does not count.
        let before = self.next;
        let bytes: Vec<u8> = (0..size).map(|_| next(&mut self.next)).collect();
        let write = std::pin::pin!(self.stream.write(&bytes));
        let outcome = match write.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(n)) => Outcome::Written(n),
            Poll::Ready(Err(error)) => failed(&error),
            Poll::Pending => Outcome::Other("the write waits although there is room".into()),
        };
        if !matches!(outcome, Outcome::Written(_)) {
            self.next = before;
        }
        outcome
    }
}

fn read(stream: &Rc<UnixStream>, size: usize) -> Read {
    let stream = Rc::clone(stream);
    let future = Box::pin(async move {
        let mut buf = vec![0; size];
        match stream.read(&mut buf).await {
            Ok(0) => Outcome::Eof,
            Ok(n) => {
                buf.truncate(n);
                Outcome::Data(buf)
            }
            Err(error) => failed(&error),
        }
    });
    // Like a task that was just spawned, it has not been polled.
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    Read { future, flag }
}

fn failed(error: &io::Error) -> Outcome {
    match (Error::of(error), error.kind()) {
        (Some(Error::Closed), _) => Outcome::Closed,
        (Some(Error::DeadlineExceeded), _) => Outcome::Timeout,
        (None, io::ErrorKind::ConnectionReset) => Outcome::Reset,
        (None, io::ErrorKind::BrokenPipe) => Outcome::BrokenPipe,
        _ => Outcome::Other(error.to_string()),
    }
}

fn instant(deadline: Deadline) -> Option<Instant> {
    match deadline {
        Deadline::None => None,
        Deadline::Past => Some(Instant::now() - Duration::from_secs(1)),
        Deadline::Far => Some(Instant::now() + Duration::from_secs(3600)),
    }
}
