//! Addresses to connect to, and the looking up of names.
//!
//! getaddrinfo(3) blocks for as long as a name server takes, and whoever calls it would hold up a
//! runtime, or a thread that polls for others. So a name is looked up on a thread of its own, as in
//! Go, whatever polls: [`MOST`] at a time, behind which others wait.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::error::{Error, context};
use crate::sync::{LockOrder, Panics};
use crate::sys::{ForkMutex, Process};
use crate::time::timeout;

/// Names that are looked up at a time.
const MOST: usize = 32;

/// What can be connected to: an address, several, of which the first that answers is taken, or the
/// name of a host and a port, as `"example.org:80"` or `("example.org", 80)`.
///
/// Addresses are there at once, also those that are written as text. A name is looked up on a
/// thread of its own, which blocks nobody. This trait is sealed.
pub trait ToSocketAddrs: sealed::ToTargets {}

impl<T: sealed::ToTargets + ?Sized> ToSocketAddrs for T {}

mod sealed {
    pub trait ToTargets {
        fn targets(&self) -> super::Targets;
    }
}

use sealed::ToTargets;

/// What is to be connected to.
#[derive(Debug)]
pub enum Targets {
    One(SocketAddr),
    Several(Vec<SocketAddr>),
    Name(String, u16),
    /// The text is neither an address nor a name with a port.
    Nothing(String),
}

macro_rules! addresses {
    ($($type:ty),+ $(,)?) => {$(
        impl ToTargets for $type {
            fn targets(&self) -> Targets {
                Targets::One(SocketAddr::from(*self))
            }
        }
    )+};
}

addresses!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
);

impl ToTargets for [SocketAddr] {
    fn targets(&self) -> Targets {
        Targets::Several(self.to_vec())
    }
}

impl ToTargets for (&str, u16) {
    fn targets(&self) -> Targets {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Targets::One(SocketAddr::new(ip, port)),
            Err(_) => Targets::Name(host.to_owned(), port),
        }
    }
}

impl ToTargets for (String, u16) {
    fn targets(&self) -> Targets {
        (&*self.0, self.1).targets()
    }
}

impl ToTargets for str {
    fn targets(&self) -> Targets {
        if let Ok(addr) = self.parse() {
            return Targets::One(addr);
        }
        let parts = self.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        match parts.and_then(|(host, port)| Some((host, port.parse().ok()?))) {
            Some(named) => named.targets(),
            None => Targets::Nothing(self.to_owned()),
        }
    }
}

impl ToTargets for String {
    fn targets(&self) -> Targets {
        self.as_str().targets()
    }
}

impl<T: ToTargets + ?Sized> ToTargets for &T {
    fn targets(&self) -> Targets {
        (**self).targets()
    }
}

/// The addresses of `targets`, of a name by `deadline`.
///
/// # Errors
///
/// Names the host.
pub(super) async fn addresses(
    targets: Targets,
    deadline: Option<Instant>,
) -> io::Result<Addresses> {
    let (host, port) = match targets {
        Targets::One(addr) => return Ok(Addresses::One(Some(addr))),
        Targets::Several(addrs) => return Ok(Addresses::Several(addrs.into_iter())),
        Targets::Name(host, port) => (host, port),
        Targets::Nothing(text) => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{text:?} is no address: write it as host:port, or [ipv6]:port"),
            ));
        }
    };
    let failed = |error| context(format_args!("cannot look up {host}"), error);
    let lookup = Lookup::begin(host.clone(), port).map_err(failed)?;
    let addrs = match deadline {
        None => lookup.await,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            let found = timeout(left, lookup).await;
            found.unwrap_or_else(|_| Err(Error::DeadlineExceeded.into()))
        }
    };
    Ok(Addresses::Several(addrs.map_err(failed)?.into_iter()))
}

/// Why nothing was tried.
pub(super) fn without_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "there is no address to connect to",
    )
}

/// What is tried, one after the other. One address, which is all that most have, is in no list.
#[derive(Debug)]
pub(super) enum Addresses {
    One(Option<SocketAddr>),
    Several(std::vec::IntoIter<SocketAddr>),
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match self {
            Self::One(addr) => addr.take(),
            Self::Several(addrs) => addrs.next(),
        }
    }
}

/// The name of a host that is being looked up, by a thread that goes on if this is dropped.
#[derive(Debug)]
struct Lookup(Arc<Mutex<Answer>>);

#[derive(Debug, Default)]
struct Answer {
    addrs: Option<io::Result<Vec<SocketAddr>>>,
    waker: Option<Waker>,
}

fn lock(answer: &Mutex<Answer>) -> MutexGuard<'_, Answer> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lookup {
    /// # Errors
    ///
    /// If no thread can be started.
    fn begin(host: String, port: u16) -> io::Result<Self> {
        let answer = Arc::new(Mutex::default());
        let question = Question {
            host,
            port,
            answer: answer.clone(),
        };
        if let Some(question) = enqueue(question) {
            let name = "netpoller-lookup".to_owned();
            let thread = std::thread::Builder::new().name(name);
            if let Err(error) = thread.spawn(|| answer_all(question)) {
                // What has been put behind it meanwhile waits for a thread that is not there.
                while let Some(question) = next() {
                    tell(&question, Err(error.kind().into()));
                }
                return Err(error);
            }
        }
        Ok(Self(answer))
    }
}

impl Future for Lookup {
    type Output = io::Result<Vec<SocketAddr>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = lock(&self.0);
        if let Some(addrs) = answer.addrs.take() {
            return Poll::Ready(addrs);
        }
        let before = answer.waker.replace(cx.waker().clone());
        drop(answer);
        // Outside of the lock: it may run any code.
        drop(before);
        Poll::Pending
    }
}

struct Question {
    host: String,
    port: u16,
    answer: Arc<Mutex<Answer>>,
}

/// The threads that look up, and what waits for them.
struct Queue {
    threads: usize,
    waiting: VecDeque<Question>,
    /// Theirs: a forked child has none of them.
    process: Option<Process>,
}

static QUEUE: ForkMutex<Queue> = ForkMutex::new(
    LockOrder::Lookups,
    Queue {
        threads: 0,
        waiting: VecDeque::new(),
        process: None,
    },
);

/// Gives the question back if it is to have a thread of its own.
fn enqueue(question: Question) -> Option<Question> {
    let mut queue = QUEUE.lock();
    if !queue.process.is_some_and(Process::is_current) {
        queue.process = Some(Process::current());
        queue.threads = 0;
        // Dropped without their wakers being called, which are the parent's.
        std::mem::forget(std::mem::take(&mut queue.waiting));
    }
    if queue.threads < MOST {
        queue.threads += 1;
        return Some(question);
    }
    queue.waiting.push_back(question);
    None
}

/// What a thread answers next; without anything it ends.
fn next() -> Option<Question> {
    let mut queue = QUEUE.lock();
    // Whoever has given up has nobody who waits for it.
    while let Some(question) = queue.waiting.pop_front() {
        if Arc::strong_count(&question.answer) > 1 {
            return Some(question);
        }
    }
    queue.threads -= 1;
    None
}

fn answer_all(question: Question) {
    let mut next_one = Some(question);
    while let Some(question) = next_one {
        let named = (&*question.host, question.port);
        let addrs = std::net::ToSocketAddrs::to_socket_addrs(&named).map(Iterator::collect);
        tell(&question, addrs);
        next_one = next();
    }
}

fn tell(question: &Question, addrs: io::Result<Vec<SocketAddr>>) {
    let waker = {
        let mut answer = lock(&question.answer);
        answer.addrs = Some(addrs);
        answer.waker.take()
    };
    // A waker that panics has nobody to tell here; the panic hook has reported it.
    Panics::default().catch(|| waker.map(Waker::wake));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_whatever_form_is_there_at_once_and_a_name_is_not() {
        let addr: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let one = |to: &dyn ToTargets| matches!(to.targets(), Targets::One(it) if it == addr);
        assert!(one(&addr) && one(&"127.0.0.1:80") && one(&"127.0.0.1:80".to_owned()));
        assert!(one(&("127.0.0.1", 80)) && one(&(addr.ip(), 80)) && one(&&addr));
        assert!(matches!("[::1]:80".targets(), Targets::One(it) if it.is_ipv6()));
        assert!(matches!("localhost:80".targets(), Targets::Name(host, 80) if host == "localhost"));
        assert!(matches!([addr][..].targets(), Targets::Several(all) if all == [addr]));
        for text in [
            "",
            ":80",
            "localhost",
            "localhost:",
            "localhost:65536",
            "localhost:http",
        ] {
            assert!(
                matches!(text.targets(), Targets::Nothing(it) if it == text),
                "{text}"
            );
        }
    }

    #[test]
    fn more_names_than_are_looked_up_at_a_time_are_all_answered_and_the_threads_end() {
        let lookups: Vec<_> = (0..4 * MOST)
            .map(|port| Lookup::begin("localhost".to_owned(), port as u16).unwrap())
            .collect();
        for (port, lookup) in lookups.into_iter().enumerate() {
            let addrs = futures_lite::future::block_on(lookup).unwrap();
            assert!(addrs.iter().any(|addr| addr.ip().is_loopback()));
            assert!(addrs.iter().all(|addr| usize::from(addr.port()) == port));
        }
        // Others may be looked up meanwhile, by other tests of this process, but not for ever.
        while QUEUE.lock().threads > 0 {
            std::thread::yield_now();
        }
    }
}
