//! An endpoint that means harm. It speaks HTTP/2 itself, so that it can speak it wrongly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use netpoller_proto::v1::{
    Descriptor, Event, GetServerResponse, Histogram, LatenciesFrame, LatencyGroup, Lint,
    ListDescriptorsResponse, Poller, PollerLatencies, Socket, TransitionsFrame, WatchFrame,
};
use prost::Message;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};

use crate::messages::{Dice, EVIL, Schema};

/// What it does, from the second request on unless its name says the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers at random.
    Random(u64),
    /// Refuses, with this code of gRPC.
    Error(u8),
    ErrorFirst(u8),
    /// Claims another version of the protocol.
    Skew,
    /// Details of an error that are not in base64.
    Details,
    /// Page after page: of rows, of none, slowly, of rows that are large.
    Pages,
    EmptyPages,
    SlowPages,
    FatPages,
    /// One row, of a poller whose name is not one.
    Named,
    /// Two bytes a row, as many as a message has room for.
    Bomb,
    /// Frames of one group without end, or events.
    Endless,
    /// Says nothing.
    Hang,
    HangFirst,
    /// A message of two gigabytes, one that claims to be compressed, one that breaks off, one that
    /// is none.
    Length,
    Compressed,
    Truncated,
    Nonsense,
    NotUtf8,
    /// Ends the stream without a word, or with an error of HTTP/2, or the whole connection.
    NoTrailers,
    Reset,
    Cut,
    /// An answer of HTTP that is none of gRPC.
    Http,
    /// No HTTP/2 at all.
    Garbage,
}

/// It serves as long as this lives.
pub(crate) struct Hostile {
    pub(crate) socket: PathBuf,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Hostile {
    pub(crate) fn start(mode: Mode, folder: &Path, name: &str) -> Self {
        let socket = folder.join(name);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("start a runtime");
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&socket).expect("bind")
        };
        let schema = Arc::new(Schema::new());
        let asked = Arc::new(AtomicU64::new(0));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(
                    mode,
                    stream,
                    Arc::clone(&schema),
                    Arc::clone(&asked),
                ));
            }
        });
        Self {
            socket,
            runtime: Some(runtime),
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connection(
    mode: Mode,
    mut stream: UnixStream,
    schema: Arc<Schema>,
    asked: Arc<AtomicU64>,
) {
    if mode == Mode::Garbage {
        let _ = stream.write_all(EVIL.repeat(100).as_bytes()).await;
        return;
    }
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let path = request.uri().path().to_owned();
        if mode == Mode::Cut && !path.ends_with("GetServer") {
            return;
        }
        let (schema, asked) = (Arc::clone(&schema), Arc::clone(&asked));
        tokio::spawn(async move {
            let call = Call {
                mode,
                path,
                schema,
                asked,
            };
            let _ = call.answer(request, respond).await;
        });
    }
}

struct Call {
    mode: Mode,
    path: String,
    schema: Arc<Schema>,
    asked: Arc<AtomicU64>,
}

impl Call {
    async fn answer(
        self,
        request: Request<h2::RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Result<(), h2::Error> {
        let first = self.path.ends_with("GetServer");
        match self.mode {
            Mode::Hang if !first => std::future::pending().await,
            Mode::HangFirst => std::future::pending().await,
            Mode::Reset if !first => {
                respond.send_reset(Reason::ENHANCE_YOUR_CALM);
                return Ok(());
            }
            Mode::Http if !first => {
                let response = Response::builder().status(302).header("location", "\u{ff}");
                respond.send_response(response.body(()).expect("a response"), true)?;
                return Ok(());
            }
            _ => {}
        }
        let response = Response::builder().header("content-type", "application/grpc");
        let response = response.body(()).expect("a response");
        let mut stream = respond.send_response(response, false)?;
        let n = self.asked.fetch_add(1, Ordering::Relaxed);
        let streams = ["Watch", "WatchTransitions", "WatchLatencies"];
        let streams = streams
            .iter()
            .any(|it| self.path.ends_with(&format!("/{it}")));
        match self.mode {
            Mode::ErrorFirst(code) => return end(&mut stream, code, EVIL, None),
            Mode::Error(code) if !first => return end(&mut stream, code, EVIL, None),
            Mode::Details if !first => return end(&mut stream, 13, EVIL, Some("!")),
            Mode::Random(seed) => {
                let mut dice = Dice::new(seed ^ n);
                let _ = request;
                for _ in 0..if streams { 20 } else { 1 } {
                    let mut bytes = self.schema.random(&self.path, &mut dice);
                    if first {
                        bytes.extend(claim(1));
                    }
                    send(&mut stream, &framed(&bytes)).await?;
                    tokio::time::sleep(Duration::from_millis(if streams { 20 } else { 0 })).await;
                }
            }
            Mode::Skew => {
                let mut bytes = self.schema.random(&self.path, &mut Dice::new(1));
                bytes.extend(claim(99));
                send(&mut stream, &framed(&bytes)).await?;
            }
            _ if first => send(&mut stream, &framed(&server())).await?,
            Mode::Length => {
                send(&mut stream, &[0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]).await?;
            }
            Mode::Compressed => send(&mut stream, &[1, 0, 0, 0, 3, 1, 2, 3]).await?,
            Mode::Truncated => send(&mut stream, &[0, 0, 0, 0, 30, 1, 2, 3]).await?,
            Mode::Nonsense => send(&mut stream, &framed(EVIL.as_bytes())).await?,
            Mode::NotUtf8 => send(&mut stream, &framed(&[0x12, 3, 0x0a, 1, 0xff])).await?,
            Mode::NoTrailers => {
                stream.send_data(Bytes::new(), true)?;
                return Ok(());
            }
            Mode::Bomb => send(&mut stream, &framed(&[0x12, 0].repeat(2_000_000))).await?,
            _ if self.path.ends_with("ListDescriptors") => {
                if self.mode == Mode::SlowPages {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                send(&mut stream, &framed(&self.page(n))).await?;
            }
            _ if streams => {
                for number in 0_u64.. {
                    let frame = match self.path.rsplit('/').next() {
                        Some("Watch") => self.frame(),
                        Some("WatchLatencies") => latencies(number),
                        _ => events(),
                    };
                    send(&mut stream, &framed(&frame)).await?;
                }
            }
            _ => {
                let bytes = self.schema.random(&self.path, &mut Dice::new(n));
                send(&mut stream, &framed(&bytes)).await?;
            }
        }
        end(&mut stream, 0, "", None)
    }

    fn page(&self, n: u64) -> Vec<u8> {
        let rows = match self.mode {
            Mode::EmptyPages => 0,
            Mode::Named => 1,
            _ => 1_000,
        };
        let next_page_token = match self.mode {
            Mode::Named => String::new(),
            _ => format!("{n}{EVIL}"),
        };
        ListDescriptorsResponse {
            captured_at_ns: u64::MAX,
            descriptors: (0..rows).map(|slot| self.row(slot)).collect(),
            next_page_token,
            epoch: 1,
            sockets_at_ns: 1,
            sockets_error: EVIL.to_owned(),
        }
        .encode_to_vec()
    }

    fn row(&self, slot: u32) -> Descriptor {
        let label = match self.mode {
            Mode::FatPages => "x".repeat(3_000),
            _ => EVIL.to_owned(),
        };
        let poller = match self.mode {
            Mode::Named => EVIL,
            _ => "global",
        };
        Descriptor {
            poller: poller.into(),
            slot,
            generation: 1,
            fd: 7,
            label,
            socket: Some(Socket {
                tcp_state: EVIL.to_owned(),
                ..Socket::default()
            }),
            ..Descriptor::default()
        }
    }

    fn frame(&self) -> Vec<u8> {
        WatchFrame {
            epoch: 1,
            keyframe: true,
            upserts: (0..1_000).map(|slot| self.row(slot)).collect(),
            ..WatchFrame::default()
        }
        .encode_to_vec()
    }
}

fn events() -> Vec<u8> {
    let event = Event {
        at_ns: u64::MAX,
        poller: EVIL.into(),
        id: EVIL.into(),
        thread: EVIL.into(),
        kind: 99,
        direction: -1,
        argument: u64::MAX,
    };
    TransitionsFrame {
        epoch: 1,
        events: vec![event; 2_000],
        ..TransitionsFrame::default()
    }
    .encode_to_vec()
}

/// Of pollers that no frame before has told of.
fn latencies(number: u64) -> Vec<u8> {
    let group = LatencyGroup {
        key: EVIL.into(),
        waits: u64::MAX,
        histograms: vec![Histogram {
            name: EVIL.into(),
            ..Histogram::default()
        }],
    };
    let poller = |of| PollerLatencies {
        poller: format!("{number}.{of}{EVIL}"),
        groups: vec![group.clone()],
        others: Some(group.clone()),
    };
    LatenciesFrame {
        epoch: 1,
        interval_ns: u64::MAX,
        pollers: (0..2_000).map(poller).collect(),
        ..LatenciesFrame::default()
    }
    .encode_to_vec()
}

fn server() -> Vec<u8> {
    GetServerResponse {
        protocol: 1,
        version: EVIL.into(),
        executable: EVIL.into(),
        pollers: vec![Poller {
            name: "global".into(),
            ..Poller::default()
        }],
        lints: vec![Lint {
            name: EVIL.into(),
            help: EVIL.into(),
            advice: EVIL.into(),
            ..Lint::default()
        }],
        ..GetServerResponse::default()
    }
    .encode_to_vec()
}

/// The version that is claimed; of a field that is there twice, the last one counts.
fn claim(protocol: u32) -> Vec<u8> {
    GetServerResponse {
        protocol,
        ..GetServerResponse::default()
    }
    .encode_to_vec()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a length");
    [&[0][..], &length.to_be_bytes(), message].concat()
}

async fn send(stream: &mut SendStream<Bytes>, mut bytes: &[u8]) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len().min(1 << 16));
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let Some(room) = room.transpose()? else {
            return Err(Reason::CANCEL.into());
        };
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        stream.send_data(Bytes::copy_from_slice(now), false)?;
        bytes = later;
    }
    Ok(())
}

/// The status, with its message in percent-encoding, as it has to be.
fn end(
    stream: &mut SendStream<Bytes>,
    code: u8,
    message: &str,
    details: Option<&'static str>,
) -> Result<(), h2::Error> {
    let encoded: String = message.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    trailers.insert(
        "grpc-message",
        HeaderValue::from_str(&encoded).expect("ASCII"),
    );
    if let Some(details) = details {
        trailers.insert("grpc-status-details-bin", HeaderValue::from_static(details));
    }
    stream.send_trailers(trailers)
}
