//! A client of an older schema, which knows nothing of what came later.
//!
//! It is not the generated one: it writes and reads bytes by the schema that is kept in
//! `proto/tests/compat`.

use std::path::Path;
use std::pin::pin;

use netpoller_core::Direction;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

use crate::fixture::{Fixture, channel, open, park, poller, run};

const OLD: &str = "inspector-2026-11-20.proto";

fn old_schema() -> DescriptorPool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/tests/compat");
    let files = protox::compile([OLD], [folder]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

/// Messages as bytes, as they are on the wire.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use bytes::BufMut;
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use bytes::Buf;
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// The old client.
struct OldClient {
    schema: DescriptorPool,
    grpc: tonic::client::Grpc<Channel>,
}

impl OldClient {
    async fn new(fixture: &Fixture) -> Self {
        Self {
            schema: old_schema(),
            grpc: tonic::client::Grpc::new(channel(fixture.socket()).await.unwrap()),
        }
    }

    fn request(&self, method: &str) -> DynamicMessage {
        let service = self
            .schema
            .get_service_by_name("netpoller.v1.Inspector")
            .unwrap();
        let method = service.methods().find(|it| it.name() == method).unwrap();
        DynamicMessage::new(method.input())
    }

    /// What it reads of the first answer.
    async fn ask(&mut self, method: &str, request: DynamicMessage) -> DynamicMessage {
        let path: PathAndQuery = format!("/netpoller.v1.Inspector/{method}").parse().unwrap();
        self.grpc.ready().await.unwrap();
        let request = tonic::Request::new(tokio_stream::once(request.encode_to_vec()));
        let mut stream = self
            .grpc
            .streaming(request, path, Raw)
            .await
            .unwrap()
            .into_inner();
        let bytes = stream.message().await.unwrap().unwrap();
        let service = self
            .schema
            .get_service_by_name("netpoller.v1.Inspector")
            .unwrap();
        let method = service.methods().find(|it| it.name() == method).unwrap();
        DynamicMessage::decode(method.output(), &*bytes).unwrap()
    }
}

/// A field of a message, or of a message in it.
#[track_caller]
fn field(message: &DynamicMessage, path: &str) -> Value {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let value = message.get_field_by_name(first).unwrap().into_owned();
    match (rest, &value) {
        ("", _) => value,
        (rest, Value::Message(inner)) => field(inner, rest),
        (rest, other) => panic!("{rest} of {other:?}"),
    }
}

fn first(list: Value) -> DynamicMessage {
    match list {
        Value::List(items) => match items.first() {
            Some(Value::Message(message)) => message.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_older_client_reads_the_answers_of_this_server() {
    let poller = poller("read_by_old");
    let (_ours, _theirs, desc) = open(&poller);
    desc.set_label("upstream");
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let fixture = Fixture::new();
    run(async {
        let mut old = OldClient::new(&fixture).await;

        let server = old.ask("GetServer", old.request("GetServer")).await;
        assert_eq!(
            field(&server, "protocol"),
            Value::U32(netpoller_proto::PROTOCOL)
        );
        assert_eq!(field(&server, "pid"), Value::U32(std::process::id()));

        let named = |mut request: DynamicMessage| {
            request.set_field_by_name("poller", Value::String("read_by_old".into()));
            request
        };
        let page = old
            .ask("ListDescriptors", named(old.request("ListDescriptors")))
            .await;
        let row = first(field(&page, "descriptors"));
        assert_eq!(
            row.unknown_fields().count(),
            0,
            "a row has no field that is new in itself"
        );
        assert_eq!(field(&row, "fd"), Value::I32(desc.fd()));
        assert_eq!(field(&row, "label"), Value::String("upstream".into()));
        assert_eq!(field(&row, "read.state"), Value::EnumNumber(4));
        assert_eq!(field(&row, "read.transitions.park"), Value::U64(1));
        let thread = std::thread::current().name().unwrap().to_owned();
        assert_eq!(field(&row, "read.waiter.thread"), Value::String(thread));
        assert!(
            page.unknown_fields().count() > 0,
            "the page has the epoch, which this client does not know"
        );

        let stats = old.ask("GetStats", named(old.request("GetStats"))).await;
        let stats = first(field(&stats, "pollers"));
        assert_eq!(field(&stats, "poller.waiters"), Value::I64(1));
        assert_eq!(field(&stats, "read.park"), Value::U64(1));

        let frame = old.ask("Watch", named(old.request("Watch"))).await;
        assert_eq!(field(&frame, "keyframe"), Value::Bool(true));
        assert_eq!(
            field(&frame, "epoch"),
            Value::U64(netpoller_core::view::started_at_ns())
        );
        assert_eq!(
            field(&first(field(&frame, "upserts")), "slot"),
            field(&row, "slot")
        );
    });
}

#[test]
fn a_request_of_an_older_client_means_what_it_meant() {
    let poller = poller("asked_by_old");
    let (_a, _b, waiting) = open(&poller);
    let (_c, _d, _idle) = open(&poller);
    let mut wait = pin!(waiting.wait(Direction::Read));
    park(wait.as_mut());
    let fixture = Fixture::new();
    run(async {
        let mut old = OldClient::new(&fixture).await;
        let mut request = old.request("ListDescriptors");
        request.set_field_by_name("poller", Value::String("asked_by_old".into()));
        request.set_field_by_name("page_size", Value::U32(1));
        let page = old.ask("ListDescriptors", request.clone()).await;
        let token = field(&page, "next_page_token");
        assert_ne!(token, Value::String(String::new()));
        request.set_field_by_name("page_token", token);
        let last = old.ask("ListDescriptors", request.clone()).await;
        assert_eq!(
            field(&last, "next_page_token"),
            Value::String(String::new())
        );
        request.set_field_by_name("page_token", Value::String(String::new()));
        request.set_field_by_name("page_size", Value::U32(0));
        request.set_field_by_name("waiting_only", Value::Bool(true));
        let page = old.ask("ListDescriptors", request).await;
        let Value::List(rows) = field(&page, "descriptors") else {
            panic!("{page:?}")
        };
        assert_eq!(rows.len(), 1);
    });
}
