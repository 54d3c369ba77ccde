//! Everything about one descriptor.

use std::io::Write;
use std::pin::pin;

use netpoller_core::{Direction, ReadyList};
use netpoller_proto::v1;
use tonic::Code;

use crate::fixture::{Fixture, kept, open, park, poller, run};

fn request(poller: &str, id: String) -> v1::GetDescriptorRequest {
    v1::GetDescriptorRequest {
        poller: poller.into(),
        id,
    }
}

#[test]
fn a_descriptor_comes_with_its_history_its_latencies_and_the_kernels_view() {
    let poller = poller("described");
    let (_a, _b, other) = open(&poller);
    let (_ours, mut theirs, desc) = open(&poller);
    {
        let mut wait = pin!(desc.wait(Direction::Read));
        park(wait.as_mut());
        theirs.write_all(b"hello").unwrap();
        poller.poll(None, &mut ReadyList::with_capacity(8)).unwrap();
        let woken = wait
            .as_mut()
            .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(woken.is_ready());
    }
    let fixture = Fixture::new();
    let answer = run(async {
        let request = request("described", desc.id().to_string());
        fixture
            .client()
            .await
            .get_descriptor(request)
            .await
            .unwrap()
            .into_inner()
    });
    assert_eq!(answer.epoch, netpoller_core::view::started_at_ns());
    let row = answer.descriptor.unwrap();
    assert_eq!((row.id(), row.fd), (desc.id(), desc.fd()));
    assert!(row.read.unwrap().last_wake.is_some());

    let kinds: Vec<_> = answer
        .history
        .iter()
        .filter(|event| event.direction() == v1::Mode::Read)
        .map(v1::Event::kind)
        .collect();
    let once = |kind| kinds.iter().filter(|it| **it == kind).count();
    for kind in [
        v1::EventKind::Arm,
        v1::EventKind::Park,
        v1::EventKind::ReadyParked,
    ] {
        assert_eq!(once(kind), 1, "{kinds:?}");
    }
    assert_eq!(
        answer.history[0].kind(),
        v1::EventKind::Opened,
        "the oldest first"
    );
    assert!(answer.history.is_sorted_by_key(|event| event.at_ns));
    assert!(
        answer
            .history
            .iter()
            .all(|event| event.id == desc.id().to_string()),
        "not of {}",
        other.id()
    );

    let [parked, wake] = &answer.histograms[..] else {
        panic!("{:?}", answer.histograms)
    };
    assert_eq!((&*parked.name, parked.count), ("time_parked", 1));
    assert_eq!((&*wake.name, wake.count), ("wake_latency", 1));
    assert_eq!(
        parked.buckets[0].exemplar.as_ref().unwrap().id,
        desc.id().to_string()
    );

    let kernel = answer.kernel.unwrap();
    assert!(
        kernel.registered && !kernel.blocking && kernel.inode != 0,
        "{kernel:?}"
    );
    assert_eq!((kernel.receive_queue, kernel.error.as_str()), (5, ""));
}

#[test]
fn a_wake_tells_how_long_nobody_polled_before_it_and_who_ran_instead() {
    let poller = poller("kept");
    let (_ours, mut to_hog, hog) = open(&poller);
    let (_own, mut to_reader, reader) = open(&poller);
    let mut ready = ReadyList::with_capacity(8);
    let mut hogs = pin!(netpoller_core::task::named(
        "hog",
        hog.wait(Direction::Read)
    ));
    let mut reads = pin!(reader.wait(Direction::Read));
    park(hogs.as_mut());
    park(reads.as_mut());
    to_hog.write_all(b"begin").unwrap();
    poller.poll(None, &mut ready).unwrap();
    ready.wake_all();
    let mut noop = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(hogs.as_mut().poll(&mut noop).is_ready());
    // It goes on for far longer than it took to come here.
    to_reader.write_all(b"late").unwrap();
    let so_far = netpoller_core::view::now_ns() - poller.info().last_poll_ns;
    let kept_ns = (4 * so_far).max(30_000_000);
    std::thread::sleep(std::time::Duration::from_nanos(kept_ns));
    poller.poll(None, &mut ready).unwrap();
    ready.wake_all();
    assert!(reads.as_mut().poll(&mut noop).is_ready());

    let fixture = Fixture::new();
    let wake = run(async {
        let request = request("kept", reader.id().to_string());
        let mut client = fixture.client().await;
        let answer = client.get_descriptor(request).await.unwrap().into_inner();
        answer.descriptor.unwrap().read.unwrap().last_wake.unwrap()
    });
    assert!(wake.before_poll_ns >= Some(kept_ns) && !wake.before_poll_exact);
    assert_eq!(
        wake.total_ns(),
        Some(wake.before_poll_ns.unwrap() + wake.poller_to_waker_ns + wake.waker_to_run_ns)
    );
    let ran = wake.ran_instead.unwrap();
    assert_eq!(ran.task, "hog");
    assert!(ran.location.contains("tests/describe.rs:"), "{ran:?}");
}

#[test]
fn the_history_reaches_back_beyond_the_flight_recorder() {
    let poller = netpoller_core::Poller::builder()
        .name("forgetful")
        .flight_recorder(1024)
        .build()
        .unwrap();
    let (_ours, _theirs, desc) = open(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    // Others fill the ring of this thread.
    for _ in 0..200 {
        drop(kept(&poller));
    }
    let fixture = Fixture::new();
    let answer = run(async {
        let request = request("forgetful", desc.id().to_string());
        fixture
            .client()
            .await
            .get_descriptor(request)
            .await
            .unwrap()
            .into_inner()
    });
    let kinds: Vec<_> = answer.history.iter().map(v1::Event::kind).collect();
    assert_eq!(kinds, [v1::EventKind::Arm, v1::EventKind::Park]);
}

#[test]
fn a_descriptor_that_is_closed_or_never_was_is_not_found() {
    let poller = poller("emptied");
    let (_ours, _theirs, desc) = open(&poller);
    let id = desc.id().to_string();
    desc.close();
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        for (id, code) in [
            (id, Code::NotFound),
            ("4000000.1".into(), Code::NotFound),
            ("42".into(), Code::InvalidArgument),
        ] {
            let status = client
                .get_descriptor(request("emptied", id.clone()))
                .await
                .unwrap_err();
            assert_eq!(status.code(), code, "{status}");
            assert!(status.message().contains(&id), "{status}");
        }
    });
}
