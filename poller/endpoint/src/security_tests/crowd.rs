//! More than one's share: of connections, streams, bytes and time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use tokio_stream::StreamExt;
use tonic::{Code, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::authority::{Authority, TOKEN, loopback};
use super::raw::PREFACE;
use super::*;
use crate::limits::Limits;

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
fn the_17th_connection_is_refused_while_all_are_busy_and_one_of_another_listener_is_not() {
    let fixture = Fixture::with_tcp(Limits {
        subscribers: 16,
        ..Limits::default()
    });
    run(async {
        let mut busy = Vec::new();
        for _ in 0..16 {
            let channel = fixture.channel().await;
            busy.push((channel.clone(), watch(channel).await.unwrap()));
        }
        // Both halves are there, so that nobody but the endpoint ends it.
        let beyond = unix(fixture.socket());
        assert_closes(&beyond);
        for (channel, _) in &busy {
            ask(channel.clone()).await.unwrap();
        }
        let uri = format!("http://{}", fixture.tcp());
        let other = Endpoint::from_shared(uri).unwrap().connect().await.unwrap();
        ask(other).await.unwrap();
        busy.pop();
        until_answered(fixture.socket()).await;
    });
}

#[test]
fn connections_that_are_left_open_keep_nobody_out_and_the_idlest_goes() {
    let fixture = Fixture::with_tcp(Limits::default());
    run(async {
        let (mut first, busy) = (unix(fixture.socket()), fixture.channel().await);
        let mut stream = watch(busy.clone()).await.unwrap();
        let mut open = Vec::new();
        // Twice as many as there are places, and each is answered.
        for _ in 0..32 {
            let channel = fixture.channel().await;
            ask(channel.clone()).await.unwrap();
            open.push(channel);
        }
        // The first of all said nothing and has gone; the busy one is older than all others, and
        // has not.
        assert_closes(&mut first);
        stream.next().await.unwrap().unwrap();
        ask(busy).await.unwrap();
        ask(open.pop().unwrap()).await.unwrap();
    });
}

#[test]
fn whoever_crowds_one_listener_with_streams_and_diagnoses_shuts_nobody_out_of_another() {
    let fixture = Fixture::with_tcp(Limits::default());
    run(async {
        let uri = format!("http://{}", fixture.tcp());
        let endpoint = Endpoint::from_shared(uri).unwrap();
        let (mut crowd, mut tools) = (Vec::new(), Vec::new());
        let mut channels = Vec::new();
        for _ in 0..4 {
            let channel = endpoint.connect().await.unwrap();
            for _ in 0..4 {
                if let Ok(stream) = watch(channel.clone()).await {
                    crowd.push(stream);
                } else if let Ok(stream) = reflect(channel.clone()).await {
                    tools.push(stream);
                }
            }
            channels.push(channel);
        }
        assert_eq!((crowd.len(), tools.len()), (8, 8));
        let diagnose = |channel: Channel| async move {
            let request = v1::DiagnoseRequest {
                window_ns: 4_000_000_000,
                ..Default::default()
            };
            InspectorClient::new(channel).diagnose(request).await
        };
        let looping = tokio::spawn(async move {
            loop {
                tokio::join!(
                    diagnose(channels[0].clone()),
                    diagnose(channels[1].clone()),
                    diagnose(channels[2].clone()),
                )
                .2
                .ok();
            }
        });
        let other = endpoint.connect().await.unwrap();
        let full = watch(other.clone()).await.unwrap_err();
        assert_eq!(full.code(), Code::ResourceExhausted);
        while diagnose(other.clone()).await.is_ok() {}

        let owner = fixture.channel().await;
        watch(owner.clone()).await.unwrap();
        reflect(owner.clone()).await.unwrap();
        let request = v1::DiagnoseRequest {
            window_ns: 1_000_000,
            ..Default::default()
        };
        let mut client = InspectorClient::new(owner);
        client.diagnose(request).await.unwrap();
        looping.abort();
    });
}

/// A stream of a tool that has asked nothing yet.
async fn reflect(channel: Channel) -> Result<Streaming<ServerReflectionResponse>, Status> {
    let mut client = ServerReflectionClient::new(channel);
    let nothing = tokio_stream::pending::<ServerReflectionRequest>();
    Ok(client.server_reflection_info(nothing).await?.into_inner())
}

#[test]
fn a_tool_that_has_nothing_to_ask_takes_no_place_of_those_who_watch_and_its_stream_ends() {
    let fixture = Fixture::with_tcp(Limits {
        subscribers: 1,
        tools: 2,
        idle: Duration::from_millis(50),
        ..Limits::default()
    });
    run(async {
        let channel = fixture.channel().await;
        let mut tool = reflect(channel.clone()).await.unwrap();
        let mut health = HealthClient::new(channel.clone());
        let request = HealthCheckRequest::default();
        let mut health = health.watch(request).await.unwrap().into_inner();
        health.next().await.unwrap().unwrap();
        let _watching = watch(channel.clone()).await.unwrap();
        let ended = [
            tool.next().await.unwrap().map(|_| ()).unwrap_err(),
            health.next().await.unwrap().map(|_| ()).unwrap_err(),
        ];
        for status in ended {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
            assert!(status.message().contains("ask again"), "{status}");
        }
        // Its places are free, and the connection goes on.
        while reflect(channel.clone()).await.is_err() {}
        ask(channel).await.unwrap();
    });
}

#[test]
fn connections_with_nothing_but_idle_tools_keep_nobody_out() {
    let fixture = Fixture::with_tcp(Limits {
        connections: 2,
        ..Limits::default()
    });
    run(async {
        let mut tools = Vec::new();
        for _ in 0..2 {
            tools.push(reflect(fixture.channel().await).await.unwrap());
        }
        ask(fixture.channel().await).await.unwrap();
    });
}

#[test]
fn a_third_page_of_a_connection_that_takes_none_is_not_made_and_others_are_served() {
    let fixture = Fixture::with_tcp(Limits::default());
    let mut peer = raw::Peer::connect(fixture.socket(), 0);
    for stream in [1, 3, 5, 7] {
        peer.ask(stream, "ListDescriptors");
    }
    peer.ask(9, "GetServer");
    let mut begun = Vec::new();
    while begun.len() < 3 {
        let frame = peer.next().expect("it is not ended yet");
        peer.answer(&frame);
        if frame.kind == raw::HEADERS {
            begun.push(frame.stream);
        }
    }
    begun.sort_unstable();
    assert_eq!(begun, [1, 3, 9], "two pages, and what is none");
    fixture.assert_answers();
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

/// The library of other tests would say more than it is told to; this client gives no byte of a
/// window, and answers whatever else it is asked, so that nothing but the answer that it does not
/// take can end it.
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
