//! A process that embeds nothing, read from outside: nothing runs in it, and it is not stopped.
//!
//! What is read is served to this command itself in the messages of the protocol, over a connection
//! within the process: so verbs know nothing of it, and all that is the process's own comes through
//! the same gate as what an endpoint sends.
//!
//! | file | holds |
//! |---|---|
//! | `facts` | what /proc tells: open files, epoll sets, threads |
//! | `calls` | what a thread waits for, by the call in which it sleeps |
//! | `sockets` | the sockets of its network namespace |
//! | `lints`, `finding` | the faults that the kernel knows of, and what all findings have |
//! | `stuck`, `leaked`, `unread` | waits that should be over, and what is there for nobody |
//! | `blocked` | runtimes whose threads ask for no events |
//! | `runtime` | what it is made of: Go, tokio, libuv, and which version |
//! | `memory`, `image`, `auxv` | its memory, its executable, and where that was loaded |
//! | `separate` | the file that has the debug information of an executable without any |
//! | `debug_info`, `units` | the structures of which the executable tells |
//! | `access` | why it may not be read |
//! | `go`, `tokio` | what Go's runtime, and tokio, keep of a descriptor |
//! | `rust` | what the program tells of its futures |
//! | `inside`, `kept` | the same, whichever runtime it is |
//! | `look`, `table`, `seen` | the rows that all of this makes, from look to look, and since when somebody waits |
//! | `outside`, `glance` | the process as it is looked at, no more often than it can bear |
//! | `service`, `watch` | answers in the messages of the protocol |
//! | `lies` | a memory that a fuzzer fills, for all that read one |

mod access;
mod auxv;
mod blocked;
#[cfg(test)]
mod built;
mod calls;
mod debug_info;
mod facts;
mod finding;
mod glance;
mod go;
mod image;
mod inside;
mod kept;
mod leaked;
#[cfg(any(test, fuzzing))]
pub(crate) mod lies;
mod lints;
mod look;
mod memory;
mod outside;
mod runtime;
mod rust;
mod seen;
mod separate;
mod service;
mod sockets;
mod stuck;
mod table;
mod tokio;
mod units;
mod unread;
mod watch;

use std::time::Duration;

use tonic::Code;

use super::endpoint::{Connection, Peer};
use super::serve;
use super::target::Target;
use crate::failure::Failure;
use outside::Outside;
use service::Service;

pub(super) use facts::count;
pub(super) use runtime::of as runtime;

/// Begins to look at a process.
pub(super) async fn connect(pid: u32, timeout: Duration) -> Result<Connection, Failure> {
    let target = Target::Process(pid);
    let refused = |reason: String, advice: &str| Failure::Connect {
        target: target.to_string(),
        reason,
        advice: advice.to_owned(),
    };
    let outside = ::tokio::task::spawn_blocking(move || Outside::new(pid, runtime::of(pid))).await;
    let outside = match outside {
        Ok(Ok(outside)) => outside,
        Ok(Err(status)) if status.code() == Code::PermissionDenied => {
            return Err(refused(
                format!("its open files cannot be read: {}", status.message()),
                &access::open_files(pid),
            ));
        }
        Ok(Err(status)) => {
            return Err(refused(
                status.message().to_owned(),
                "`netpoller targets` lists what can be inspected",
            ));
        }
        Err(error) => return Err(Failure::Runtime(format!("reading {target}: {error}"))),
    };
    serve::connect(Service(outside), &target, timeout, &Peer::of(pid)).await
}
