//! What is no HTTP/2, no gRPC or no TLS, and HTTP/2 that means harm.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};

use super::authority::{Authority, loopback};
use super::raw::{self, PREFACE};
use super::*;
use crate::limits::Limits;

/// Says it, and listens until the other end has closed or has nothing to say any more.
fn throw(mut stream: impl Read + Write, bytes: &[u8], end: impl FnOnce()) {
    // A reset while we write is what we have asked for.
    let _ = stream.write_all(bytes);
    end();
    let _ = stream.read_to_end(&mut Vec::new());
}

fn throw_unix(path: PathBuf, bytes: &[u8]) {
    let stream = UnixStream::connect(path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    throw(&stream, bytes, || {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    });
}

fn throw_tcp(address: std::net::SocketAddr, bytes: &[u8]) {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    throw(&stream, bytes, || {
        let _ = stream.shutdown(std::net::Shutdown::Write);
    });
}

/// A frame that may have any type, flags and stream, and lie about its length.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let lie = prop_oneof![9 => Just(0_u32), 1 => any::<u32>()];
    // The ten types that are known, and others.
    let kind = prop_oneof![9 => 0_u8..10, 1 => any::<u8>()];
    let stream = prop_oneof![0_u32..8, any::<u32>()];
    (kind, any::<u8>(), stream, vec(any::<u8>(), 0..64), lie).prop_map(
        |(kind, flags, stream, payload, lie)| {
            let length = u32::try_from(payload.len()).unwrap_or(0) ^ lie;
            let mut frame = length.to_be_bytes()[1..].to_vec();
            frame.extend([kind, flags]);
            frame.extend(stream.to_be_bytes());
            frame.extend(payload);
            frame
        },
    )
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: 128,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn random_bytes_end_one_connection_and_nothing_else() {
    let fixture = Fixture::with_tcp(Limits::default());
    runner()
        .run(&vec(any::<u8>(), 0..512), |bytes| {
            throw_unix(fixture.socket(), &bytes);
            throw_tcp(fixture.tcp(), &bytes);
            Ok(())
        })
        .unwrap();
    fixture.assert_answers();
}

#[test]
fn random_frames_behind_a_good_preface_end_one_connection_and_nothing_else() {
    let fixture = Fixture::with_tcp(Limits::default());
    runner()
        .run(&vec(frame(), 1..24), |frames| {
            let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            let bytes = [PREFACE, &settings, &frames.concat()].concat();
            throw_unix(fixture.socket(), &bytes);
            Ok(())
        })
        .unwrap();
    fixture.assert_answers();
}

#[test]
fn garbage_instead_of_tls_ends_one_connection_and_nothing_else() {
    let authority = Authority::new();
    let server = Server::builder()
        .listen("tcp:127.0.0.1:0".parse().unwrap())
        .listen(Listen::Unix(authority.file("s")))
        .tls(authority.tls())
        .start()
        .unwrap();
    let address = loopback(server.target());
    throw_tcp(address, PREFACE);
    throw_tcp(address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    runner()
        .run(
            &(0_u8..5, vec(any::<u8>(), 0..256)),
            |(kind, bytes): (u8, Vec<u8>)| {
                // Of the types of TLS records, 20 to 24.
                let header = [20 + kind, 3, 1, 0, u8::try_from(bytes.len()).unwrap_or(255)];
                throw_tcp(address, &[&header[..], &bytes].concat());
                throw_tcp(address, &bytes);
                Ok(())
            },
        )
        .unwrap();
    run(async { ask(channel(authority.file("s")).await.unwrap()).await }).unwrap();
}

#[test]
fn random_messages_are_refused_or_answered_and_the_endpoint_goes_on() {
    let fixture = Fixture::with_tcp(Limits::default());
    let methods = [
        "GetServer",
        "ListDescriptors",
        "GetStats",
        "Watch",
        "Missing",
    ];
    runner()
        .run(
            &(0..methods.len(), vec(any::<u8>(), 0..128)),
            |(method, bytes)| {
                let path = format!("/netpoller.v1.Inspector/{}", methods[method]);
                let length = u32::try_from(bytes.len()).unwrap_or(0);
                let message = [&[0][..], &length.to_be_bytes(), &bytes].concat();
                run(async {
                    let mut channel = fixture.channel().await;
                    let request = grpc(&path).body(body(message)).unwrap();
                    let answer = raw(&mut channel, request).await;
                    assert_eq!(answer.status(), 200, "a status of gRPC, whatever it is");
                });
                Ok(())
            },
        )
        .unwrap();
    fixture.assert_answers();
}

pub(super) fn body(bytes: Vec<u8>) -> Body {
    Body::new(OneFrame(Some(bytes.into())))
}

/// A body of these bytes.
struct OneFrame(Option<tonic::codegen::Bytes>);

impl http_body::Body for OneFrame {
    type Data = tonic::codegen::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

pub(super) fn grpc(path: &str) -> tonic::codegen::http::request::Builder {
    Request::post(path).header("content-type", "application/grpc")
}

pub(super) async fn raw(channel: &mut Channel, request: Request<Body>) -> Response<Body> {
    std::future::poll_fn(|cx| channel.poll_ready(cx))
        .await
        .unwrap();
    channel.call(request).await.unwrap()
}

#[test]
fn what_a_web_page_can_send_gets_no_answer_from_any_service() {
    let fixture = Fixture::with_tcp(Limits::default());
    let uri = format!("http://{}", fixture.tcp());
    let path = "/netpoller.v1.Inspector/GetServer";
    run(async {
        let mut channel = Endpoint::from_shared(uri).unwrap().connect().await.unwrap();
        let empty_message = || body(vec![0; 5]);
        let mut status = async |request: tonic::codegen::http::request::Builder| {
            let answer = raw(&mut channel, request.body(empty_message()).unwrap()).await;
            if answer.status() != 200 {
                assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
            }
            answer.status().as_u16()
        };
        assert_eq!(status(grpc(path)).await, 200);
        assert_eq!(
            status(grpc(path).header("origin", "http://evil.example")).await,
            403
        );
        assert_eq!(
            status(grpc(path).header("sec-fetch-site", "cross-site")).await,
            403
        );
        let web = Request::post(path).header("content-type", "application/grpc-web+proto");
        assert_eq!(status(web).await, 415);
        let simple = Request::post(path).header("content-type", "text/plain");
        assert_eq!(status(simple).await, 415);
        assert_eq!(status(Request::get(path)).await, 405);
        assert_eq!(status(Request::options(path)).await, 405);
        assert_eq!(status(grpc(path).header("host", "evil.example")).await, 403);
    });
}

#[test]
fn a_name_that_resolves_to_loopback_is_refused_unless_the_program_has_allowed_it() {
    let server = Server::builder()
        .listen("tcp:127.0.0.1:0".parse().unwrap())
        .allow_host("node7.example")
        .start()
        .unwrap();
    let uri = format!("http://{}", loopback(server.target()));
    let ask_as = |name: &str| {
        let endpoint = Endpoint::from_shared(uri.clone())
            .unwrap()
            .origin(format!("http://{name}:4242").parse().unwrap());
        run(async { ask(endpoint.connect().await.unwrap()).await })
    };
    ask_as("localhost").unwrap();
    ask_as("node7.example").unwrap();
    let refused = ask_as("rebound.example").unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
}

#[test]
fn what_is_nowhere_is_unimplemented() {
    let fixture = Fixture::with_tcp(Limits::default());
    run(async {
        let mut channel = fixture.channel().await;
        for path in [
            "/",
            "/metrics",
            "/debug/pprof",
            "/netpoller.v1.Inspector",
            "/netpoller.v1.Control/Evict",
        ] {
            let answer = raw(&mut channel, grpc(path).body(body(vec![0; 5])).unwrap()).await;
            assert_eq!(answer.headers()["grpc-status"], "12", "{path}");
        }
    });
}

/// Streams that are opened and reset at once, without end (CVE-2023-44487): the endpoint says
/// goodbye.
#[test]
fn a_flood_of_resets_ends_the_connection() {
    let fixture = Fixture::with_tcp(Limits::default());
    let mut stream = UnixStream::connect(fixture.socket()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    // :method POST, :scheme http, :path /, all from the static table.
    let headers = [0x83, 0x86, 0x84];
    let mut flood = Vec::new();
    for stream in (1_u32..20_000).step_by(2) {
        flood.extend([0, 0, 3, 1, 4]);
        flood.extend(stream.to_be_bytes());
        flood.extend(headers);
        flood.extend([0, 0, 4, 3, 0]);
        flood.extend(stream.to_be_bytes());
        flood.extend(8_u32.to_be_bytes());
    }
    let _ = stream.write_all(&flood);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    // GOAWAY on stream 0, with ENHANCE_YOUR_CALM behind the last stream.
    let calm = answer.windows(17).any(|bytes| {
        bytes[3] == 7 && bytes[5..9] == [0; 4] && bytes[13..17] == 11_u32.to_be_bytes()
    });
    assert!(calm, "no GOAWAY in {answer:?}");
    fixture.assert_answers();
}

/// Whoever sends them needs no answer, and the endpoint says goodbye to nobody for them: what ends
/// the flood is that it is read slowly.
#[test]
fn a_flood_of_frames_that_cost_nothing_to_send_is_read_no_faster_than_the_limit_allows() {
    let limits = Limits {
        intake: 64 * 1024,
        intake_burst: 16 * 1024,
        ..Limits::patient()
    };
    let (rate, burst) = (f64::from(limits.intake), limits.intake_burst as usize);
    let fixture = Fixture::with_tcp(limits);
    let frames: [(&str, u8, u32, &[u8]); 3] = [
        ("PRIORITY", raw::PRIORITY, 1, &[0, 0, 0, 0, 15]),
        ("WINDOW_UPDATE", raw::WINDOW_UPDATE, 0, &[0, 0, 0, 1]),
        ("of a type that nobody knows", 0xfa, 0, &[]),
    ];
    for (name, kind, stream, payload) in frames {
        // Before the endpoint has begun to count, so that a slow machine is allowed more.
        let began = Instant::now();
        let mut peer = raw::Peer::connect(fixture.socket(), 0);
        // The last read is never cut, and takes no more than was on its way.
        let last_read = peer.keep_few_on_their_way();
        // In half a second, if it is read as fast as it may be.
        let bytes = burst + last_read + 32 * 1024;
        peer.flood(kind, stream, payload, bytes);
        let took = began.elapsed();
        let allowed = burst + last_read + (took.as_secs_f64() * rate) as usize;
        assert!(
            bytes <= allowed,
            "frames {name}: {bytes} bytes were read in {took:?}, and at most {allowed} may be"
        );
    }
    fixture.assert_answers();
}
