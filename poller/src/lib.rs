//! An embeddable epoll network poller with the semantics of Go's runtime netpoller, instrumented on
//! every transition and open to live inspection.
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
//! | tokio | the types of [`net`], [`pipe`] and [`time`] as they are; each runtime gets a poller of its own |
//! | plain threads | the same types with `blocking()`: std's `Read` and `Write`, and deadlines that work |
//! | an executor of your own | run it inside [`block_on`] |
//! | an event loop of your own | [`Poller::nest`], [`Poller::poll`], and the poller's descriptor |
//! | a descriptor of another kind | [`pollable::Pollable`], or [`Poller::open`] for the seam itself |
//! | a question about a running process | [`inspect`](crate#features), [`view`] |
//!
//! # Features
//!
//! The default is small: libc, socket2, and the words of `netpoller-proto`, which need no other
//! crate. Instrumentation is always on.
//!
//! | feature | adds |
//! |---|---|
//! | `tokio` | the tokio driver, `AsyncRead` and `AsyncWrite` |
//! | `futures-io` | the traits of futures-io |
//! | `hyper` | the traits of hyper 1 |
//! | `inspect` | the endpoint that the command `netpoller` attaches to |
//! | `console` | the endpoint for tokio-console, beside that |
//! | `tls` | TLS and certificates of clients, for an endpoint that other machines may reach |
//! | `prometheus` | the text exposition and a server for it |
//! | `metrics` | a bridge to the `metrics` facade |
//! | `full` | all of them |
//!
//! # Where it differs from Go, on purpose
//!
#![doc = include_str!("differences.md")]
//!
//! # Floors
//!
//! A file imports from floors below its own, and within its floor from rooms to the left.
//!
//! | floor | rooms |
//! |---|---|
//! | 1 | `sync` atomics and locks, `sys` the kernel, `clock`, `budget` how long a task may go on, `error` |
//! | 2 | `observe` what instrumentation writes |
//! | 3 | `desc` the descriptor, `timers` the deadline queue |
//! | 4 | `poller` |
//! | 5 | `driver` who polls, `view` reading the live tables |
//! | 6 | `fd` the file-descriptor layer |
//! | 7 | `time`, `net`, `pipe`, `pollable`, `task` what users hold |
//! | 8 | `host` a thread with a runtime, `inspect` the endpoint, `prometheus` the metrics |

mod budget;
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
