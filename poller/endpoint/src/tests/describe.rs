//! Everything about one descriptor.

use std::io::Write;
use std::pin::pin;

use netpoller_core::{Direction, ReadyList};
use netpoller_proto::v1;
use tonic::Code;

use crate::fixture::{Fixture, open, park, poller, run};

fn request(poller: &str, id: String) -> v1::GetDescriptorRequest {
    v1::GetDescriptorRequest {
        poller: poller.into(),
        id,
    }
}

#[test]
fn a_descriptor_comes_with_its_history_its_latencies_and_the_kernels_view() {
    let poller = poller("described");
    let (other, _a, _b) = open(&poller);
    let (desc, _ours, mut theirs) = open(&poller);
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
fn the_history_reaches_back_beyond_the_flight_recorder() {
    let poller = netpoller_core::Poller::builder()
        .name("forgetful")
        .flight_recorder(1024)
        .build()
        .unwrap();
    let (desc, _ours, _theirs) = open(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    // Others fill the ring of this thread.
    for _ in 0..200 {
        drop(open(&poller));
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
    let (desc, _ours, _theirs) = open(&poller);
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
