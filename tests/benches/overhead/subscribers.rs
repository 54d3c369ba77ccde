//! Those who watch: clients of the endpoint, in a process of their own.

use std::future::pending;
use std::io::{self, Write};
use std::path::Path;

use hyper_util::rt::TokioIo;
use netpoller_proto::v1::WatchRequest;
use netpoller_proto::v1::inspector_client::InspectorClient;
use tokio::net::UnixStream;
use tokio_stream::StreamExt;
use tonic::transport::Endpoint;

use super::sys;

/// Watches with `count` streams until killed; says so once each has its first frame.
pub(crate) fn run(path: &Path, count: u32, stalled: bool) -> io::Result<()> {
    sys::die_with_parent()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (ready, mut all_ready) = tokio::sync::mpsc::channel(count as usize);
        let mut watchers = Vec::new();
        for _ in 0..count {
            watchers.push(tokio::spawn(watch(path.to_owned(), stalled, ready.clone())));
        }
        for _ in 0..count {
            if all_ready.recv().await.is_none() {
                break;
            }
        }
        println!("watching");
        io::stdout().flush()?;
        for watcher in watchers {
            watcher.await.map_err(io::Error::other)??;
        }
        Ok(())
    })
}

async fn watch(
    path: std::path::PathBuf,
    stalled: bool,
    ready: tokio::sync::mpsc::Sender<()>,
) -> io::Result<()> {
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://endpoint")
        .connect_with_connector(connect)
        .await
        .map_err(io::Error::other)?;
    let request = WatchRequest {
        stats: true,
        ..Default::default()
    };
    let mut frames = InspectorClient::new(channel)
        .watch(request)
        .await
        .map_err(io::Error::other)?
        .into_inner();
    if !stalled {
        frames.next().await;
    }
    let _ = ready.send(()).await;
    if stalled {
        // The connection is held, and what comes on it is left where it is.
        pending::<()>().await;
    }
    while let Some(frame) = frames.next().await {
        frame.map_err(io::Error::other)?;
    }
    Err(io::Error::other("the endpoint ended the stream"))
}
