//! Where bytes of a process become messages of ours, and errors of its become errors of ours:
//! nowhere else.
//!
//! What comes in is bounded and made [`visible`] before it is decoded, so that nothing behind this
//! file can print what a terminal would obey. What goes out is turned back, so that a name can be
//! asked for as it is shown.

use std::borrow::Cow;
use std::error::Error;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::Frame;
use netpoller_proto::v1::{
    AuditRequest, AuditResponse, BreakRequest, BreakResponse, DiagnoseRequest, DiagnoseResponse,
    EvictRequest, EvictResponse, GetDescriptorRequest, GetDescriptorResponse, GetServerRequest,
    GetServerResponse, GetStatsRequest, GetStatsResponse, LatenciesFrame, ListDescriptorsRequest,
    ListDescriptorsResponse, ListSitesRequest, ListSitesResponse, TransitionsFrame, WatchFrame,
    WatchLatenciesRequest, WatchRequest, WatchTransitionsRequest,
};
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, IntoRequest, Status, Streaming};
use tower::util::MapResponse;

use super::access::Credentials;
use crate::foreign::{restored, visible};
use crate::source::schema::{Fault, SCHEMA, Shape};

/// As it comes over the connection. Our server promises 1 MiB.
const LARGEST_MESSAGE: usize = 4 << 20;
/// The same message, decoded.
const LARGEST_DECODED: usize = 16 << 20;
/// Details of an error, which nobody here reads, and which make tonic panic if they are not in
/// base64.
const DETAILS: &str = "grpc-status-details-bin";

type Plain = MapResponse<Channel, fn(http::Response<Body>) -> http::Response<Body>>;

/// A connection, and what each request shows.
pub(super) type Transport = InterceptedService<Plain, Credentials>;

/// What requests go over.
pub(super) fn transport(channel: Channel, credentials: Credentials) -> Transport {
    InterceptedService::new(MapResponse::new(channel, without_details), credentials)
}

fn without_details(mut response: http::Response<Body>) -> http::Response<Body> {
    response.headers_mut().remove(DETAILS);
    response.map(|body| Body::new(WithoutDetails(body)))
}

struct WithoutDetails(Body);

impl http_body::Body for WithoutDetails {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.0).poll_frame(cx);
        polled.map_ok(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                trailers.remove(DETAILS);
            }
            frame
        })
    }
}

/// Asks the two services of the protocol.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    transport: Transport,
}

/// Each method takes its request and gives its answer.
macro_rules! methods {
    ($($service:literal $name:ident $rpc:literal $ask:ident $request:ty => $answer:ty),* $(,)?) => {
        impl Client {
            $(pub(crate) async fn $name(&mut self, request: $request) -> Result<$answer, Refusal> {
                let path = concat!("/netpoller.v1.", $service, "/", $rpc);
                self.$ask(path, request).await
            })*
        }
    };
}

methods! {
    "Inspector" get_server "GetServer" unary GetServerRequest => GetServerResponse,
    "Inspector" get_stats "GetStats" unary GetStatsRequest => GetStatsResponse,
    "Inspector" list_descriptors "ListDescriptors" unary ListDescriptorsRequest => ListDescriptorsResponse,
    "Inspector" get_descriptor "GetDescriptor" unary GetDescriptorRequest => GetDescriptorResponse,
    "Inspector" watch "Watch" stream WatchRequest => Frames<WatchFrame>,
    "Inspector" watch_transitions "WatchTransitions" stream WatchTransitionsRequest => Frames<TransitionsFrame>,
    "Inspector" watch_latencies "WatchLatencies" stream WatchLatenciesRequest => Frames<LatenciesFrame>,
    "Inspector" audit "Audit" unary AuditRequest => AuditResponse,
    "Inspector" diagnose "Diagnose" unary DiagnoseRequest => DiagnoseResponse,
    "Inspector" list_sites "ListSites" unary ListSitesRequest => ListSitesResponse,
    "Control" evict "Evict" unary EvictRequest => EvictResponse,
    "Control" wake "Break" unary BreakRequest => BreakResponse,
}

impl Client {
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport }
    }

    async fn unary<Q, A>(&mut self, path: &'static str, request: Q) -> Result<A, Refusal>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.ready().await?;
        let (codec, at) = (Gate::of(path)?, http::uri::PathAndQuery::from_static(path));
        let answer = grpc.unary(request.into_request(), at, codec).await;
        Ok(answer.map_err(Refusal)?.into_inner())
    }

    async fn stream<Q, A>(&mut self, path: &'static str, request: Q) -> Result<Frames<A>, Refusal>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.ready().await?;
        let (codec, at) = (Gate::of(path)?, http::uri::PathAndQuery::from_static(path));
        let stream = grpc
            .server_streaming(request.into_request(), at, codec)
            .await;
        Ok(Frames(stream.map_err(Refusal)?.into_inner()))
    }

    async fn ready(&self) -> Result<Grpc<Transport>, Refusal> {
        let mut grpc = Grpc::new(self.transport.clone()).max_decoding_message_size(LARGEST_MESSAGE);
        let ready = grpc.ready().await;
        ready.map_err(|error| Refusal(Status::from_error(Box::new(error))))?;
        Ok(grpc)
    }
}

/// Messages one after another.
#[derive(Debug)]
pub(crate) struct Frames<A>(Streaming<A>);

impl<A> Frames<A> {
    /// The next one; `None` when the process has ended the stream.
    pub(crate) async fn message(&mut self) -> Result<Option<A>, Refusal> {
        self.0.message().await.map_err(Refusal)
    }
}

/// Why there is no answer. Its words may be the process's, so they are had in no other way than
/// [`Self::reason`].
#[derive(Debug)]
pub(crate) struct Refusal(Status);

impl Refusal {
    pub(super) fn code(&self) -> Code {
        self.0.code()
    }

    /// The innermost reason: the outer ones say "transport error".
    pub(crate) fn reason(&self) -> String {
        let mut reason = self.0.message().to_owned();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            reason = error.to_string();
            cause = error.source();
        }
        if reason.is_empty() {
            reason = self.code().description().to_owned();
        }
        visible(&reason).into_owned()
    }

    /// What went wrong with the connection; nothing if the process answered, and answered no.
    pub(super) fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Encodes requests of one method and decodes its answers.
struct Gate<Q, A> {
    shapes: (Shape, Shape),
    messages: PhantomData<fn(Q) -> A>,
}

impl<Q, A> Gate<Q, A> {
    fn of(path: &str) -> Result<Self, Refusal> {
        let shapes = SCHEMA.method(path);
        Ok(Self {
            shapes: shapes.ok_or_else(|| Refusal(Status::internal("no such method")))?,
            messages: PhantomData,
        })
    }
}

struct Outwards<Q>(Shape, PhantomData<fn(Q)>);
struct Inwards<A>(Shape, PhantomData<fn() -> A>);

impl<Q, A> Codec for Gate<Q, A>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    type Encode = Q;
    type Decode = A;
    type Encoder = Outwards<Q>;
    type Decoder = Inwards<A>;

    fn encoder(&mut self) -> Self::Encoder {
        Outwards(self.shapes.0, PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Inwards(self.shapes.1, PhantomData)
    }
}

impl<Q: Message> Encoder for Outwards<Q> {
    type Item = Q;
    type Error = Status;

    fn encode(&mut self, request: Q, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let bytes = rewritten(self.0, &request.encode_to_vec(), restored, usize::MAX)?;
        out.put_slice(&bytes);
        Ok(())
    }
}

impl<A: Message + Default> Decoder for Inwards<A> {
    type Item = A;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<A>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let bytes = rewritten(self.0, &bytes, visible, LARGEST_DECODED)?;
        A::decode(&bytes[..])
            .map(Some)
            .map_err(|error| Status::internal(format!("the message is malformed: {error}")))
    }
}

fn rewritten(
    shape: Shape,
    message: &[u8],
    text: fn(&str) -> Cow<'_, str>,
    room: usize,
) -> Result<Vec<u8>, Status> {
    SCHEMA
        .rewrite(shape, message, text, room)
        .map(|(message, _)| message)
        .map_err(|fault| match fault {
            Fault::TooLarge => Status::resource_exhausted(format!(
                "the message would take more than {} MiB here",
                room >> 20
            )),
            Fault::Malformed => Status::internal("the message is malformed"),
        })
}
