//! To be there no more, or to ask what takes too long.

use tonic::Code;

use super::raw::{self, Peer};
use super::*;
use crate::limits::Limits;

/// Until the answer has begun.
#[track_caller]
fn assert_answered(peer: &mut Peer) {
    loop {
        let frame = peer.next().expect("an answer and not the end");
        peer.answer(&frame);
        if frame.kind == raw::HEADERS {
            return;
        }
    }
}

fn short_pings() -> Limits {
    Limits {
        ping_interval: Duration::from_millis(50),
        // Long enough for one who means to answer and is not let at the processor.
        ping: Duration::from_secs(2),
        ..Limits::default()
    }
}

#[test]
fn a_peer_that_answers_no_ping_is_disconnected_and_its_place_is_free() {
    let fixture = Fixture::with_tcp(Limits {
        connections: 1,
        ..short_pings()
    });
    let mut peer = Peer::connect(fixture.socket(), 1 << 16);
    // It was let in, so only the pings can tell that it is gone.
    peer.ask(1, "GetServer");
    assert_answered(&mut peer);
    let mut pinged = false;
    while let Some(frame) = peer.next() {
        pinged |= frame.kind == raw::PING;
    }
    assert!(pinged, "it was asked first");
    run(crowd::until_answered(fixture.socket()));
}

#[test]
fn a_peer_that_answers_pings_stays_however_long_it_is_silent() {
    let fixture = Fixture::with_tcp(short_pings());
    let mut peer = Peer::connect(fixture.socket(), 1 << 16);
    peer.ask(1, "GetServer");
    assert_answered(&mut peer);
    // More of them than fit into the time for one.
    let mut pings = 0;
    while pings < 60 {
        let frame = peer.next().expect("a ping and not the end");
        pings += usize::from(peer.answer(&frame));
    }
    peer.ask(3, "GetServer");
    assert_answered(&mut peer);
}

#[test]
fn what_is_not_answered_in_time_is_cancelled_and_the_connection_goes_on() {
    let fixture = Fixture::with_tcp(Limits {
        answer: Duration::from_millis(50),
        ..Limits::default()
    });
    run(async {
        let channel = fixture.channel().await;
        let request = v1::GetStatsRequest {
            interval_ns: 4_000_000_000,
            ..Default::default()
        };
        let mut client = InspectorClient::new(channel.clone());
        let late = client.get_stats(request).await.unwrap_err();
        assert_eq!(late.code(), Code::Cancelled, "{late}");
        // Asked again until the machine is quick enough for once.
        while let Err(status) = ask(channel.clone()).await {
            assert_eq!(status.code(), Code::Cancelled, "{status}");
        }
    });
}
