//! More than one's share: of connections, streams, bytes and time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use tokio_stream::StreamExt;
use tonic::{Code, Streaming};

use super::super::limits::Limits;
use super::authority::{Authority, TOKEN, loopback};
use super::raw::PREFACE;
use super::*;

/// Short enough to wait for, long enough for a loaded machine to be served in.
const SHORT: Duration = Duration::from_secs(1);

fn short_opening() -> Limits {
    Limits {
        connections: 3,
        opening: SHORT,
        handshake: SHORT,
        ..Limits::default()
    }
}

/// Whether the other end has closed, after whatever it said.
#[track_caller]
fn assert_closes(mut stream: impl Read) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

fn unix(path: PathBuf) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    stream
}

fn tcp(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    stream
}

#[test]
fn the_17th_connection_is_refused_and_one_of_another_listener_is_not() {
    let fixture = Fixture::with_tcp(Limits::default());
    run(async {
        let mut within = Vec::new();
        for _ in 0..16 {
            let channel = fixture.channel().await;
            ask(channel.clone()).await.unwrap();
            within.push(channel);
        }
        // Both halves are there, so that nobody but the endpoint ends it.
        let beyond = unix(fixture.socket());
        assert_closes(&beyond);
        for channel in &within {
            ask(channel.clone()).await.unwrap();
        }
        let uri = format!("http://{}", fixture.tcp());
        let other = Endpoint::from_shared(uri).unwrap().connect().await.unwrap();
        ask(other).await.unwrap();
        within.pop();
        until_answered(fixture.socket()).await;
    });
}

/// Until there is a place again: the endpoint finds out in its own time that somebody has left.
pub(super) async fn until_answered(path: PathBuf) {
    loop {
        if let Ok(channel) = channel(path.clone()).await
            && ask(channel).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whoever connects and does not get a request let in.
#[test]
fn slow_peers_are_disconnected_and_their_places_are_free_again() {
    let fixture = Fixture::with_tcp(short_opening());
    for opening in [&b""[..], &PREFACE[..7], PREFACE] {
        let slow: Vec<_> = (0..3)
            .map(|_| {
                let (mut unix, mut tcp) = (unix(fixture.socket()), tcp(fixture.tcp()));
                unix.write_all(opening).unwrap();
                tcp.write_all(opening).unwrap();
                (unix, tcp)
            })
            .collect();
        for (unix, tcp) in slow {
            assert_closes(unix);
            assert_closes(tcp);
        }
        fixture.assert_answers();
    }
}

#[test]
fn whoever_was_answered_may_be_silent_afterwards() {
    let fixture = Fixture::with_tcp(short_opening());
    run(async {
        let channel = fixture.channel().await;
        ask(channel.clone()).await.unwrap();
        // Another one connects later and is disconnected, so the time of the first is over too.
        assert_closes(unix(fixture.socket()));
        // On the same connection: of a new one the server would not have seen the preface in time.
        ask(channel).await.unwrap();
    });
}

#[test]
fn whoever_knows_no_token_does_not_keep_a_place() {
    let authority = Authority::new();
    let server = Server::builder()
        .listen("tcp:127.0.0.1:0".parse().unwrap())
        .token_file(authority.token())
        .limits(short_opening())
        .start()
        .unwrap();
    let uri = format!("http://{}", loopback(server.target()));
    run(async {
        let endpoint = Endpoint::from_shared(uri).unwrap();
        // The library underneath answers pings, so only the endpoint can end these.
        let mut strangers = Vec::new();
        for _ in 0..3 {
            let stranger = endpoint.connect().await.unwrap();
            let refused = ask(stranger.clone()).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated);
            strangers.push(stranger);
        }
        loop {
            let mut request = tonic::Request::new(v1::GetServerRequest {});
            let token = format!("Bearer {TOKEN}").parse().unwrap();
            request.metadata_mut().insert("authorization", token);
            if let Ok(channel) = endpoint.connect().await
                && InspectorClient::new(channel)
                    .get_server(request)
                    .await
                    .is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn slow_tls_handshakes_are_ended_and_keep_nobody_waiting() {
    let authority = Authority::new();
    let server = Server::builder()
        .listen("tcp:127.0.0.1:0".parse().unwrap())
        .listen(Listen::Unix(authority.file("s")))
        .tls(authority.tls())
        .limits(short_opening())
        .start()
        .unwrap();
    // A record that says it is a ClientHello of 512 bytes, and the first of them.
    let half_a_hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for opening in [&b""[..], &half_a_hello] {
        let slow: Vec<_> = (0..3)
            .map(|_| {
                let mut stream = tcp(loopback(server.target()));
                stream.write_all(opening).unwrap();
                stream
            })
            .collect();
        run(async { ask(channel(authority.file("s")).await.unwrap()).await }).unwrap();
        slow.into_iter().for_each(assert_closes);
    }
}

#[test]
fn a_connection_ends_at_its_age_and_the_client_is_answered_on_a_new_one() {
    let fixture = Fixture::with_tcp(Limits {
        age: SHORT,
        ..Limits::default()
    });
    run(async {
        let channel = fixture.channel().await;
        let mut stream = watch(channel.clone()).await.unwrap();
        while let Some(Ok(_)) = stream.next().await {}
        while ask(channel.clone()).await.is_err() {}
    });
}

async fn watch(channel: Channel) -> Result<Streaming<v1::WatchFrame>, Status> {
    let request = v1::WatchRequest {
        interval_ns: 1,
        stats: true,
        ..Default::default()
    };
    let answer = InspectorClient::new(channel).watch(request).await?;
    Ok(answer.into_inner())
}

#[test]
fn a_5th_stream_of_a_connection_is_refused_and_its_other_requests_are_not() {
    let fixture = Fixture::with_tcp(Limits::default());
    run(async {
        let channel = fixture.channel().await;
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(watch(channel.clone()).await.unwrap());
        }
        let refused = watch(channel.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("connection"), "{refused}");
        ask(channel.clone()).await.unwrap();
        let other = fixture.channel().await;
        watch(other).await.unwrap();
        streams.pop();
        while watch(channel.clone()).await.is_err() {}
    });
}

#[test]
fn a_9th_stream_of_all_connections_is_refused() {
    let fixture = Fixture::with_tcp(Limits::default());
    run(async {
        let mut streams = Vec::new();
        for _ in 0..2 {
            let channel = fixture.channel().await;
            for _ in 0..4 {
                streams.push(watch(channel.clone()).await.unwrap());
            }
        }
        let channel = fixture.channel().await;
        let refused = watch(channel.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        ask(channel.clone()).await.unwrap();
        streams.pop();
        while watch(channel.clone()).await.is_err() {}
    });
}

#[test]
fn a_subscriber_that_takes_nothing_is_disconnected_and_the_others_go_on() {
    let fixture = Fixture::with_tcp(Limits {
        stalled: SHORT,
        subscribers: 2,
        ..Limits::default()
    });
    run(async {
        // It takes what the connection brings, and gives the stream no more than these bytes.
        let small = Endpoint::from_static("http://localhost").initial_stream_window_size(1024);
        let stalled = channel_of(fixture.socket(), small).await.unwrap();
        let mut stalled = watch(stalled).await.unwrap();
        let other = fixture.channel().await;
        let mut reading = watch(other.clone()).await.unwrap();
        let full = watch(other.clone()).await.unwrap_err();
        assert_eq!(full.code(), Code::ResourceExhausted);
        // Its place is free when it is gone.
        let mut next = 0;
        let third = loop {
            let frame = reading.next().await.unwrap().unwrap();
            assert!(frame.sequence <= next, "a group is missing");
            next = frame.sequence + 1;
            if let Ok(stream) = watch(other.clone()).await {
                break stream;
            }
        };
        drop(third);
        // What had been sent before comes, and then the end.
        let error = loop {
            match stalled.next().await.expect("an error and not an end") {
                Ok(_) => {}
                Err(status) => break status,
            }
        };
        assert_ne!(error.code(), Code::Ok, "{error}");
    });
}

/// The library of other tests would say more than it is told to; this client gives no byte of a window, and answers whatever
/// else it is asked, so that nothing but the answer that it does not take can end it.
#[test]
fn whoever_leaves_no_room_for_an_answer_is_disconnected_though_nothing_was_begun() {
    let fixture = Fixture::with_tcp(Limits {
        stalled: SHORT,
        subscribers: 1,
        ..Limits::default()
    });
    // An answer that does not stream is kept for nobody either.
    for method in ["Watch", "GetServer"] {
        let mut peer = raw::Peer::connect(fixture.socket(), 0);
        peer.ask(1, method);
        let (mut headers, mut pings) = (0, 0);
        while let Some(frame) = peer.next() {
            assert_ne!(frame.kind, raw::DATA, "there was no room for it");
            headers += usize::from(frame.kind == raw::HEADERS);
            pings += usize::from(peer.answer(&frame));
            assert!(pings < 2, "{method}: it is still there after two pings");
        }
        assert_eq!(
            headers, 1,
            "{method} was answered, as far as there was room"
        );
    }
    // The place of the stream is free.
    run(async {
        let other = fixture.channel().await;
        while watch(other.clone()).await.is_err() {}
    });
}

#[test]
fn a_request_of_more_than_64_kib_or_with_more_than_16_kib_of_headers_is_refused() {
    let fixture = Fixture::with_tcp(Limits::default());
    run(async {
        let channel = fixture.channel().await;
        let mut client = InspectorClient::new(channel.clone());
        let page = |bytes| v1::ListDescriptorsRequest {
            page_token: "x".repeat(bytes),
            ..Default::default()
        };
        // That it is no token is said only of what was read.
        let read = client.list_descriptors(page(60 * 1024)).await.unwrap_err();
        assert_eq!(read.code(), Code::InvalidArgument, "{read}");
        let refused = client.list_descriptors(page(64 * 1024)).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange, "{refused}");

        let mut request = tonic::Request::new(v1::GetServerRequest {});
        let long = "x".repeat(17 * 1024).parse().unwrap();
        request.metadata_mut().insert("x-long", long);
        client.get_server(request).await.unwrap_err();
        ask(channel).await.unwrap();
    });
}
