//! The endpoint, asked by a real client.
//!
//! | file | asks |
//! |---|---|
//! | `table` | for the process and pages of its table |
//! | `select` | for some of the rows, in some order |
//! | `describe` | for everything about one descriptor |
//! | `sites` | which lines open descriptors |
//! | `transitions` | for the stream of the flight recorder |
//! | `latencies` | for the latencies of waits by what they have in common |
//! | `control` | to act |
//! | `reflection` | as tools that know nothing of netpoller do |
//! | `compat` | as a client of an older schema does |
//! | `stats` | for statistics and laws |
//! | `watch` | for the stream of the table |
//! | `turns` | many questions that take long, and one that does not |
//! | `connections` | on many connections, some of which misbehave |
//! | `sockets` | for what the kernel knows of sockets |
//! | `socket` | where the socket is, whose, and what becomes of it |
//! | `access` | who is answered, and with what |

mod access;
mod compat;
mod connections;
mod control;
mod describe;
mod latencies;
mod reflection;
mod select;
mod sites;
mod socket;
mod sockets;
mod stats;
mod table;
mod transitions;
mod turns;
mod watch;

use netpoller_proto::v1;
use tokio_stream::StreamExt;

/// The next whole group.
async fn group(stream: &mut tonic::Streaming<v1::WatchFrame>) -> v1::WatchFrame {
    let mut whole = v1::WatchFrame::default();
    loop {
        let frame = stream.next().await.unwrap().unwrap();
        whole.upserts.extend(frame.upserts);
        whole.removes.extend(frame.removes);
        whole = v1::WatchFrame {
            upserts: whole.upserts,
            removes: whole.removes,
            ..frame
        };
        if whole.end {
            return whole;
        }
    }
}
