//! A connection within this process.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use netpoller_proto::v1::inspector_server::{Inspector, InspectorServer};
use tonic::transport::{Endpoint, Server};
use tower::service_fn;

use crate::failure::Failure;
use crate::source::endpoint::{Connection, Peer, connect_over};
use crate::source::target::Target;

/// Bytes that are on their way within the process.
const PIPE: usize = 1 << 20;

/// Connects to a service of this command's own, which answers for the target. It ends with the last
/// connection.
pub(in crate::source) async fn connect(
    service: impl Inspector,
    target: &Target,
    timeout: Duration,
    peer: &Peer,
) -> Result<Connection, Failure> {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let served = Server::builder()
        .add_service(InspectorServer::new(service))
        .serve_with_incoming(tokio_stream::once(Ok::<_, io::Error>(theirs)));
    tokio::spawn(served);
    let ours = Mutex::new(Some(ours));
    let connector = service_fn(move |_| {
        let stream = ours.lock().ok().and_then(|mut ours| ours.take());
        let stream = stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused));
        async move { stream.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://localhost");
    let channel = endpoint.connect_with_connector(connector).await;
    let channel =
        channel.map_err(|error| Failure::Runtime(format!("reading {target}: {error}")))?;
    connect_over(channel, target, timeout, peer).await
}
