//! An endpoint of this process, and clients of it that use nothing of the poller.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use netpoller::inspect::{Listen, Server};
use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use netpoller_tests::LIMIT;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// What the inspector talks to.
pub(crate) struct Inspected {
    directory: tempfile::TempDir,
    _server: Server,
}

impl Inspected {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Server::builder()
            .listen(Listen::Unix(directory.path().join("s")))
            .start()
            .expect("an endpoint");
        Self {
            directory,
            _server: server,
        }
    }

    /// A client whose streams may have so many bytes under way that it has not taken.
    pub(crate) async fn client(&self, window: u32) -> InspectorClient<Channel> {
        let path = self.directory.path().join("s");
        let connector = tower::service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let channel = Endpoint::from_static("http://localhost")
            .initial_stream_window_size(window)
            .connect_with_connector(connector)
            .await
            .expect("a connection");
        InspectorClient::new(channel)
    }

    /// Asks everything that has one answer, and for the beginning of the stream. Each names the
    /// poller.
    #[track_caller]
    pub(crate) fn assert_answers(&self, poller: &str, descriptors: usize) {
        run(async {
            let mut client = self.client(1 << 20).await;
            let server = client.get_server(v1::GetServerRequest {}).await;
            let pollers = server.expect("GetServer").into_inner().pollers;
            assert!(pollers.iter().any(|known| known.name == poller));

            let request = v1::ListDescriptorsRequest {
                poller: poller.to_owned(),
                ..Default::default()
            };
            let page = client.list_descriptors(request).await;
            let page = page.expect("ListDescriptors").into_inner();
            assert_eq!(page.descriptors.len(), descriptors);

            let request = v1::GetStatsRequest {
                poller: poller.to_owned(),
                ..Default::default()
            };
            let stats = client.get_stats(request).await;
            assert_eq!(stats.expect("GetStats").into_inner().pollers.len(), 1);

            let keyframe = watch(&mut client, poller).await.message().await;
            let keyframe = keyframe.expect("Watch").expect("a frame");
            assert_eq!(keyframe.upserts.len(), descriptors);
        });
    }
}

/// The stream of a poller's table, as often as there is one.
pub(crate) async fn watch(
    client: &mut InspectorClient<Channel>,
    poller: &str,
) -> Streaming<v1::WatchFrame> {
    let request = v1::WatchRequest {
        poller: poller.to_owned(),
        interval_ns: 1,
        stats: true,
        ..Default::default()
    };
    client.watch(request).await.expect("Watch").into_inner()
}

/// A runtime on this thread, which turns only while somebody waits in it.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Runs a client, and fails if it gets no answer.
#[track_caller]
pub(crate) fn run<T>(client: impl Future<Output = T>) -> T {
    runtime().block_on(within(LIMIT, client))
}

async fn within<T>(limit: Duration, client: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, client)
        .await
        .expect("no answer in time")
}
