//! A subscriber that does not read holds up neither the service nor the others who look.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use netpoller::Poller;
use netpoller_tests::{LIMIT, Lane, tcp_pair, until};

use crate::endpoint::{Inspected, runtime, watch};

/// Requests and answers on one connection, until it is told to stop. How many there were is
/// counted.
fn echo(poller: &Poller, stop: &Arc<AtomicBool>, served: &Arc<AtomicU64>) -> Lane<()> {
    let (client, server) = tcp_pair(poller);
    let (stop, served) = (stop.clone(), served.clone());
    Lane::block_on(poller, move || async move {
        let mut buf = [0; 64];
        while !stop.load(Ordering::Relaxed) {
            client.write_all(b"ping").await.expect("room");
            let n = server.read(&mut buf).await.expect("a request");
            server.write_all(&buf[..n]).await.expect("room");
            let n = client.read(&mut buf).await.expect("an answer");
            assert_eq!(&buf[..n], b"ping");
            served.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[test]
fn a_subscriber_that_never_reads_holds_up_neither_data_nor_other_subscribers_and_is_told_what_it_lost()
 {
    let inspected = Inspected::start();
    let poller = Poller::builder().name("watched").build().expect("a poller");
    let (stop, served) = (Arc::default(), Arc::default());
    let service = echo(&poller, &stop, &served);
    let progress = |what: &str| {
        let before = served.load(Ordering::Relaxed);
        until(what, || served.load(Ordering::Relaxed) > before + 1000);
    };

    // Two that do not read: one whose streams have no room for another byte, and one whose thread
    // has stopped, so that its socket fills up.
    let awake = runtime();
    let (mut stalled, mut reading) = awake.block_on(async {
        let mut client = inspected.client(1024).await;
        let stalled = watch(&mut client, "watched").await;
        let mut client = inspected.client(1 << 20).await;
        (stalled, watch(&mut client, "watched").await)
    });
    let asleep = runtime();
    let stopped = asleep.block_on(async {
        let mut client = inspected.client(1 << 30).await;
        watch(&mut client, "watched").await
    });

    progress("the service goes on beside them");
    awake.block_on(async {
        let mut groups = 0;
        while groups < 20 {
            let frame = reading.message().await.expect("a stream").expect("a frame");
            groups += u64::from(frame.end);
        }
    });
    progress("the service goes on after many groups");
    inspected.assert_answers("watched", 2);

    // The one that reads again is told how many groups it has missed.
    awake.block_on(async {
        let lost = async {
            loop {
                let frame = stalled.message().await.expect("a stream").expect("a frame");
                if frame.lost > 0 {
                    return frame.lost;
                }
            }
        };
        let lost = tokio::time::timeout(LIMIT, lost).await.expect("in time");
        assert!(lost > 0);
    });
    progress("the service goes on to the end");
    stop.store(true, Ordering::Relaxed);
    service.join();
    drop((stopped, asleep));
}
