//! Many connections, some of which misbehave.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use netpoller_core::view::faults;
use netpoller_proto::v1;

use super::group;
use crate::fixture::{Fixture, connect, open, poller, run};

#[test]
fn garbage_and_silence_on_one_connection_do_not_hurt_another() {
    let fixture = Fixture::new();
    let mut garbage = UnixStream::connect(fixture.socket()).unwrap();
    garbage
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let _silent = UnixStream::connect(fixture.socket()).unwrap();
    let mut half = UnixStream::connect(fixture.socket()).unwrap();
    half.write_all(b"PRI * HT").unwrap();
    run(async {
        fixture
            .client()
            .await
            .get_server(v1::GetServerRequest {})
            .await
            .unwrap()
    });
    garbage
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    let mut rest = Vec::new();
    // Closed, be it with a word or with a reset.
    let _ = garbage.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("200"), "{rest:?}");
}

#[test]
fn connections_beyond_the_limit_are_closed_and_those_within_are_served() {
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        client.get_server(v1::GetServerRequest {}).await.unwrap();
        let crowd: Vec<_> = (0..40)
            .map(|_| UnixStream::connect(fixture.socket()).unwrap())
            .collect();
        client.get_server(v1::GetServerRequest {}).await.unwrap();
        drop(crowd);
        while connect(fixture.socket()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn it_answers_while_every_thread_of_the_service_is_stuck() {
    let poller = poller("stuck");
    let (_ours, _theirs, desc) = open(&poller);
    // The lock of a descriptor, held by a thread that does not go on.
    let _guard = faults::hold(&desc);
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let request = v1::ListDescriptorsRequest {
            poller: "stuck".into(),
            ..Default::default()
        };
        let page = client.list_descriptors(request).await.unwrap().into_inner();
        assert_eq!(page.descriptors.len(), 1);

        let request = v1::GetStatsRequest {
            poller: "stuck".into(),
            ..Default::default()
        };
        let stats = client.get_stats(request).await.unwrap().into_inner();
        let info = stats.pollers[0].poller.as_ref().unwrap();
        assert_eq!(info.descriptors, 1);

        let request = v1::WatchRequest {
            poller: "stuck".into(),
            stats: true,
            ..Default::default()
        };
        let mut stream = client.watch(request).await.unwrap().into_inner();
        let keyframe = group(&mut stream).await;
        assert_eq!(
            (keyframe.upserts.len(), keyframe.stats.is_some()),
            (1, true)
        );
    });
}
