//! What the endpoint defends against, as SECURITY.md says it.
//!
//! | file | tries |
//! |---|---|
//! | `access` | to look without the token or the certificate |
//! | `privilege` | to change where, or as who, one may only look |
//! | `crowd` | to take more than one's share: of connections, streams, bytes and time |
//! | `liveness` | to be there no more, or to ask what takes too long |
//! | `garbage` | what is no HTTP/2, no gRPC or no TLS, and HTTP/2 that means harm |
//!
//! `authority` has tokens and certificates, and `raw` is a client of HTTP/2 without manners.

mod access;
mod authority;
mod crowd;
mod garbage;
mod liveness;
mod privilege;
mod raw;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

use super::*;

/// An endpoint on a Unix socket and on TCP, and nobody is asked for anything.
struct Fixture {
    directory: tempfile::TempDir,
    server: Server,
}

impl Fixture {
    fn new() -> Self {
        Self::with(limits::Limits::default())
    }

    fn with(limits: limits::Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::builder()
            .listen(Listen::Unix(directory.path().join("s")))
            .listen("tcp:127.0.0.1:0".parse().unwrap())
            .limits(limits)
            .start()
            .unwrap();
        Self { directory, server }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    fn tcp(&self) -> std::net::SocketAddr {
        self.server.targets()[1]
            .strip_prefix("tcp:")
            .unwrap()
            .parse()
            .unwrap()
    }

    async fn channel(&self) -> Channel {
        channel(self.socket()).await.unwrap()
    }

    /// It answers whoever behaves.
    #[track_caller]
    fn assert_answers(&self) {
        run(async { ask(self.channel().await).await }).unwrap();
    }
}

/// A connection to a Unix socket.
async fn channel(path: PathBuf) -> Result<Channel, tonic::transport::Error> {
    channel_of(path, Endpoint::from_static("http://localhost")).await
}

async fn channel_of(path: PathBuf, endpoint: Endpoint) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move {
            let stream = tokio::net::UnixStream::connect(path).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    endpoint.connect_with_connector(connector).await
}

/// A question that the inspector asks first.
async fn ask(channel: Channel) -> Result<(), Status> {
    let answer = InspectorClient::new(channel)
        .get_server(v1::GetServerRequest {})
        .await?;
    assert_eq!(answer.into_inner().pid, std::process::id());
    Ok(())
}

fn run<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), test)
            .await
            .expect("stuck")
    })
}

/// The permissions of a file.
fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Only root may give a file away.
fn is_root() -> bool {
    crate::sys::effective_uid() == 0
}
