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
//! | `tower` | a layer that measures requests, [`task::measured`] |
//! | `tracing` | fields of a span that tell where its time went |
//! | `inspect` | the endpoint that the command `netpoller` attaches to |
//! | `blackbox` | what the endpoint would tell, in a file that outlives the process |
//! | `console` | the endpoint for tokio-console, beside that |
//! | `tls` | TLS and certificates of clients, for an endpoint that other machines may reach |
//! | `prometheus` | the text exposition and a server for it |
//! | `prometheus-client` | that, and a collector for the registries of `prometheus-client` |
//! | `metrics` | a bridge to the `metrics` facade |
//! | `full` | all of them |
//!
//! # Where it differs from Go, on purpose
//!
#![doc = include_str!("differences.md")]
//!
//! # Crates
//!
//! | crate | holds |
//! |---|---|
//! | `netpoller-core` | the poller, its drivers and what users hold, and the reading of its tables |
//! | `netpoller-endpoint` | `inspect` |
//! | `netpoller-metrics` | `prometheus` |
//! | `netpoller-host` | what these two stand on: a thread with a runtime, and an accept loop |
//!
//! This one shows them, so that a program depends on one, and chooses by its features.

#[doc(inline)]
pub use netpoller_core::{
    Builder, Counter, Desc, DescId, Direction, Error, Histogram, HistogramSnapshot, Kind,
    NotRegistered, Poller, ReadyList, RegisterError, Sides, Transition, Unit, Wait, block_on,
    block_on_poller, driver, net, pipe, pollable, task, time, view,
};
#[cfg(feature = "inspect")]
#[doc(inline)]
pub use netpoller_endpoint as inspect;
#[cfg(any(feature = "metrics", feature = "prometheus"))]
#[doc(inline)]
pub use netpoller_metrics as prometheus;
