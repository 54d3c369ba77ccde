//! Clients of the endpoint that watch everything, as the inspector's terminal UI does.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use hyper_util::rt::TokioIo;
use netpoller_proto::v1::WatchRequest;
use netpoller_proto::v1::inspector_client::InspectorClient;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// Twice a second.
const INTERVAL_NS: u64 = 500_000_000;

/// The thread on which all of them run.
pub(crate) struct Inspectors {
    stop: watch::Sender<bool>,
    frames: Arc<AtomicU64>,
    thread: JoinHandle<io::Result<()>>,
}

/// Connects `count` of them to the endpoint at `target`, `unix:PATH`, and returns once each has its
/// first frame.
pub(crate) fn start(target: &str, count: u32) -> io::Result<Inspectors> {
    let path: PathBuf = target
        .strip_prefix("unix:")
        .ok_or_else(|| io::Error::other(format!("{target:?} is no Unix socket")))?
        .into();
    let (stop, stopped) = watch::channel(false);
    let frames = Arc::new(AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let counted = Arc::clone(&frames);
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("soak-inspectors".into())
        .spawn(move || {
            runtime.block_on(async move {
                let mut watching = tokio::task::JoinSet::new();
                for _ in 0..count {
                    watching.spawn(look(
                        path.clone(),
                        stopped.clone(),
                        Arc::clone(&counted),
                        ready.clone(),
                    ));
                }
                drop(ready);
                while let Some(ended) = watching.join_next().await {
                    ended.map_err(io::Error::other)??;
                }
                Ok(())
            })
        })?;
    for _ in 0..count {
        if is_ready.recv().is_err() {
            return Err(match thread.join() {
                Ok(Err(error)) => error,
                _ => io::Error::other("an inspector ended before its first frame"),
            });
        }
    }
    Ok(Inspectors {
        stop,
        frames,
        thread,
    })
}

impl Inspectors {
    /// Ends them; how many frames they have received in all. An inspector whose stream broke is an
    /// error.
    pub(crate) fn finish(self) -> io::Result<u64> {
        self.stop.send_replace(true);
        self.thread
            .join()
            .map_err(|_| io::Error::other("the inspectors' thread panicked"))??;
        Ok(self.frames.load(Ordering::Relaxed))
    }
}

async fn look(
    path: PathBuf,
    mut stopped: watch::Receiver<bool>,
    frames: Arc<AtomicU64>,
    ready: std::sync::mpsc::Sender<()>,
) -> io::Result<()> {
    let mut client = InspectorClient::new(connect(path).await?);
    let request = WatchRequest {
        interval_ns: INTERVAL_NS,
        stats: true,
        ..Default::default()
    };
    let mut stream = client
        .watch(request)
        .await
        .map_err(io::Error::other)?
        .into_inner();
    let mut first = Some(ready);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            frame = stream.message() => {
                frame
                    .map_err(io::Error::other)?
                    .ok_or_else(|| io::Error::other("the endpoint ended a watch"))?;
                frames.fetch_add(1, Ordering::Relaxed);
                if let Some(ready) = first.take() {
                    let _ = ready.send(());
                }
            }
        }
    }
}

async fn connect(path: PathBuf) -> io::Result<Channel> {
    // The address is not used: the connector knows the path.
    Endpoint::from_static("http://localhost")
        .connect_with_connector(service_fn(move |_: Uri| {
            let path = path.clone();
            async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
        }))
        .await
        .map_err(io::Error::other)
}
