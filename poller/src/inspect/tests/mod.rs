//! The endpoint, asked by a real client.
//!
//! | file | asks |
//! |---|---|
//! | `table` | for the process and pages of its table |
//! | `select` | for some of the rows, in some order |
//! | `describe` | for everything about one descriptor |
//! | `transitions` | for the stream of the flight recorder |
//! | `control` | to act |
//! | `reflection` | as tools that know nothing of netpoller do |
//! | `compat` | as a client of an older schema does |
//! | `stats` | for statistics and laws |
//! | `watch` | for the stream of the table |
//! | `turns` | many questions that take long, and one that does not |
//! | `connections` | on many connections, some of which misbehave |
//! | `socket` | where the socket is, whose, and what becomes of it |
//! | `access` | who is answered, and with what |

mod access;
mod compat;
mod connections;
mod control;
mod describe;
mod reflection;
mod select;
mod socket;
mod stats;
mod table;
mod transitions;
mod turns;
mod watch;

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::task::{Context, Waker};
use std::time::Duration;

use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint, Uri};

use super::*;
use crate::{Desc, Kind, Poller};

/// An endpoint on a socket in a directory of its own.
struct Fixture {
    directory: tempfile::TempDir,
    _server: Server,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::builder()
            .listen(Listen::Unix(directory.path().join("s")))
            .start()
            .unwrap();
        Self {
            directory,
            _server: server,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    async fn client(&self) -> InspectorClient<Channel> {
        connect(self.socket()).await.unwrap()
    }
}

async fn connect(path: PathBuf) -> Result<InspectorClient<Channel>, tonic::transport::Error> {
    channel(path).await.map(InspectorClient::new)
}

async fn channel(path: PathBuf) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move {
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(
                tokio::net::UnixStream::connect(path).await?,
            ))
        }
    });
    Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await
}

fn run<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(30), test)
            .await
            .expect("stuck")
    })
}

fn poller(name: &str) -> Poller {
    Poller::builder().name(name).build().unwrap()
}

fn open(poller: &Poller) -> (Desc, UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (poller.open(ours.as_fd(), Kind::Unix).unwrap(), ours, theirs)
}

#[track_caller]
fn park(wait: std::pin::Pin<&mut impl Future>) {
    assert!(
        wait.poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o777
}

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
