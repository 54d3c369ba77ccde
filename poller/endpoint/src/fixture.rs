//! What the tests of the endpoint share: an endpoint of their own, clients of it, and something to
//! look at.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use netpoller_core::{Desc, Kind, Poller};
use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use tonic::Status;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Error, Uri};

use super::{Builder, Listen, Server};
use crate::door::connection::{Connection, Stream};
use crate::limits::Limits;

/// Runs the test `name` again in a process of its own, whose runtime directory is its own too: what
/// the test puts at the default place is not found by others. `true` in that process.
#[track_caller]
pub(super) fn in_own_runtime_dir(name: &str) -> bool {
    const INSIDE: &str = "NETPOLLER_TEST_IN_OWN_RUNTIME_DIR";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let directory = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", name])
        .env("XDG_RUNTIME_DIR", directory.path())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{said}");
    assert!(text.contains("1 passed"), "{name} is the name of this test");
    false
}

impl Builder {
    /// Nobody has the time here to wait for limits that are meant for people.
    pub(super) fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}

impl Limits {
    /// The usual numbers, and times that a machine which is short of processors does not come to.
    pub(super) fn patient() -> Self {
        let long = Duration::from_secs(600);
        Self {
            opening: long,
            #[cfg(feature = "tls")]
            handshake: long,
            stalled: long,
            answer: long,
            ping_interval: long,
            ping: long,
            ..Self::default()
        }
    }
}

/// A connection of a runtime's, and the client's end.
pub(super) fn connection() -> (Connection, tokio::net::UnixStream) {
    let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
    let place = netpoller_host::Places::new(1, None).take().unwrap();
    let (limits, reserve) = (Limits::default(), netpoller_host::Reserve::default());
    let connection = Connection::new(Stream::Unix(ours), false, &limits, place, reserve);
    (connection, theirs)
}

/// A request as it comes to a service, of somebody who may see all.
pub(super) fn asked<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request
        .extensions_mut()
        .insert(connection().0.connect_info());
    request
}

/// An endpoint on a socket in a directory of its own.
pub(super) struct Fixture {
    directory: tempfile::TempDir,
    server: Server,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::builder()
            .listen(Listen::Unix(directory.path().join("s")))
            .limits(Limits::patient());
        Self {
            server: server.start().unwrap(),
            directory,
        }
    }

    /// One that listens on TCP too, and asks nobody for anything.
    pub(super) fn with_tcp(limits: Limits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::builder()
            .listen(Listen::Unix(directory.path().join("s")))
            .listen("tcp:127.0.0.1:0".parse().unwrap())
            .limits(limits);
        Self {
            server: server.start().unwrap(),
            directory,
        }
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    /// Of one that was made [`with_tcp`](Self::with_tcp).
    pub(super) fn tcp(&self) -> std::net::SocketAddr {
        let target = &self.server.targets()[1];
        target.strip_prefix("tcp:").unwrap().parse().unwrap()
    }

    /// A connection of its own.
    pub(super) async fn channel(&self) -> Channel {
        channel(self.socket()).await.unwrap()
    }

    /// An inspector on a connection of its own.
    pub(super) async fn client(&self) -> InspectorClient<Channel> {
        InspectorClient::new(self.channel().await)
    }

    /// It answers whoever behaves.
    #[track_caller]
    pub(super) fn assert_answers(&self) {
        run(async { ask(self.channel().await).await }).unwrap();
    }
}

pub(super) async fn connect(path: PathBuf) -> Result<InspectorClient<Channel>, Error> {
    channel(path).await.map(InspectorClient::new)
}

/// A connection to a Unix socket.
pub(super) async fn channel(path: PathBuf) -> Result<Channel, Error> {
    channel_of(path, Endpoint::from_static("http://localhost")).await
}

/// A connection to a Unix socket, with settings.
pub(super) async fn channel_of(path: PathBuf, settings: Endpoint) -> Result<Channel, Error> {
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move {
            let stream = tokio::net::UnixStream::connect(path).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    settings.connect_with_connector(connector).await
}

/// The question that the inspector asks first.
pub(super) async fn ask(channel: Channel) -> Result<(), Status> {
    let answer = InspectorClient::new(channel)
        .get_server(v1::GetServerRequest {})
        .await?;
    assert_eq!(answer.into_inner().pid, std::process::id());
    Ok(())
}

pub(super) fn run<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(600), test)
            .await
            .expect("stuck")
    })
}

pub(super) fn poller(name: &str) -> Poller {
    Poller::builder().name(name).build().unwrap()
}

/// The socket of a registered descriptor, the other end, and the descriptor. A `let` that takes
/// them apart drops the last one first, and no socket is to go before its descriptor.
pub(super) fn open(poller: &Poller) -> (UnixStream, UnixStream, Desc) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    (ours, theirs, desc)
}

/// The same to be kept in one piece, of which the first part is dropped first.
pub(super) fn kept(poller: &Poller) -> (Desc, UnixStream, UnixStream) {
    let (ours, theirs, desc) = open(poller);
    (desc, ours, theirs)
}

#[track_caller]
pub(super) fn park(wait: Pin<&mut impl Future>) {
    assert!(
        wait.poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
}

/// The permissions of a file.
pub(super) fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o777
}
