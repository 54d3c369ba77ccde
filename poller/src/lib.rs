//! An embeddable epoll network poller with the semantics of Go's runtime netpoller, instrumented on every transition and
//! open to live inspection.
//!
//! ```
//! use netpoller::net::{TcpListener, TcpStream};
//! use std::time::{Duration, Instant};
//!
//! # fn main() -> std::io::Result<()> {
//! netpoller::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0")?;
//!     let client = TcpStream::connect(listener.local_addr()?).await?;
//!     let (server, _) = listener.accept().await?;
//!     client.write_all(b"hello").await?;
//!
//!     let mut buf = [0; 16];
//!     server.set_read_deadline(Some(Instant::now() + Duration::from_secs(5)))?;
//!     let n = server.read(&mut buf).await?;
//!     assert_eq!(&buf[..n], b"hello");
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # Where to begin
//!
//! | you have | use |
//! |---|---|
//! | tokio | the types of [`net`], [`pipe`] and [`time`] as they are; they attach the poller to the runtime |
//! | plain threads | the same types with `blocking()`: std's `Read` and `Write`, and deadlines that work |
//! | an executor of your own | run it inside [`block_on`] |
//! | an event loop of your own | [`Poller::nest`], [`Poller::poll`], and the poller's descriptor |
//! | a descriptor of another kind | [`pollable::Pollable`], or [`Poller::open`] for the seam itself |
//! | a question about a running process | [`inspect`](crate#features), [`view`] |
//!
//! # Features
//!
//! The default is small: libc and socket2. Instrumentation is always on.
//!
//! | feature | adds |
//! |---|---|
//! | `tokio` | the tokio driver, `AsyncRead` and `AsyncWrite` |
//! | `futures-io` | the traits of futures-io |
//! | `hyper` | the traits of hyper 1 |
//! | `inspect` | the endpoint that the command `netpoller` attaches to |
//! | `tls` | TLS and certificates of clients, for an endpoint that other machines may reach |
//! | `prometheus` | the text exposition and a server for it |
//! | `metrics` | a bridge to the `metrics` facade |
//! | `full` | all of them |
//!
//! # Where it differs from Go, on purpose
//!
//! The semantics are those of Go 1.27's `runtime/netpoll.go` and `internal/poll`, with these differences:
//!
//! | Go | here | why | test |
//! |---|---|---|---|
//! | throws at a second waiter, a second eviction, a close without one | [`Error::Busy`], `false`, evicts first | a library must not take its process down | `semantics_11_…`, `semantics_22_…` |
//! | keeps one bit of an error event | keeps the whole mask too, [`Desc::last_events`] | to tell what happened | `semantics_25_…` |
//! | a poll that does not wait never takes a break back | that of a nested poller does | nobody else would | `semantics_40_…` |
//! | hands out what is ready in reverse | in order, a descriptor's writer before its reader | first come, first served | `semantics_45_…` |
//! | sleeps in milliseconds | in nanoseconds where the kernel can | a sleep of 50 µs takes 50 µs | `semantics_46_…` |
//! | 128 events a poll | as many as the [`ReadyList`] has room for | one size does not fit all | `semantics_47_…` |
//! | two timers a descriptor | one queue entry, at the earlier deadline or before | a deadline moved later costs a store | `semantics_32_…` |
//! | reads until EAGAIN | takes a short read of a TCP stream for the end of what is there, unless the last event told of more | one system call less a request | `an_urgent_byte_…`, `the_end_that_comes_after_a_short_read_is_found` |
//! | registers IN, OUT, RDHUP | a TCP stream for PRI too | urgent data ends a read early, with bytes behind it | `an_urgent_byte_…` |
//! | every write begins with a reset | only one that finds no room | most writes find room | `semantics_27_…` |
//! | a newcomer may overtake those who wait for a descriptor's lock | first in, first out | no reader starves | `the_lock_is_handed_on_in_the_order_of_arrival…` |
//!
//! # Floors
//!
//! A file imports from floors below its own, and within its floor from rooms to the left.
//!
//! | floor | rooms |
//! |---|---|
//! | 1 | `sync` atomics and locks, `sys` the kernel, `clock`, `error` |
//! | 2 | `observe` what instrumentation writes |
//! | 3 | `desc` the descriptor, `timers` the deadline queue |
//! | 4 | `poller` |
//! | 5 | `driver` who polls, `view` reading the live tables |
//! | 6 | `fd` the file-descriptor layer |
//! | 7 | `time`, `net`, `pipe`, `pollable`, `task` what users hold |
//! | 8 | `host` a thread with a runtime, `inspect` the endpoint, `prometheus` the metrics |

mod clock;
mod desc;
pub mod driver;
mod error;
mod fd;
#[cfg(any(feature = "inspect", feature = "prometheus"))]
mod host;
#[cfg(feature = "inspect")]
pub mod inspect;
pub mod net;
mod observe;
pub mod pipe;
pub mod pollable;
mod poller;
#[cfg(any(feature = "metrics", feature = "prometheus"))]
pub mod prometheus;
#[cfg(all(test, shuttle))]
mod schedules;
mod sync;
mod sys;
pub mod task;
pub mod time;
mod timers;
pub mod view;

pub use desc::Kind;
pub use driver::{block_on, block_on_poller};
pub use error::{Error, RegisterError};
pub use observe::{Counter, Direction, Histogram, HistogramSnapshot, Transition, Unit};
pub use poller::{Builder, Desc, Poller, ReadyList, Sides, Wait};
