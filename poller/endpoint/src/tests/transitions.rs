//! The stream of the flight recorder.

use std::pin::pin;

use netpoller_core::Direction;
use netpoller_proto::v1::{self, EventKind, Mode};
use tokio_stream::StreamExt;
use tonic::{Code, Streaming};

use crate::fixture::{Fixture, open, park, poller, run};

/// The events of the next frames, until there are as many.
async fn events(stream: &mut Streaming<v1::TransitionsFrame>, count: usize) -> Vec<v1::Event> {
    let mut events = Vec::new();
    while events.len() < count {
        events.extend(stream.next().await.unwrap().unwrap().events);
    }
    events
}

#[test]
fn a_dump_is_what_was_recorded_and_ends() {
    let poller = poller("dumped");
    let (_ours, _theirs, desc) = open(&poller);
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchTransitionsRequest {
            poller: "dumped".into(),
            history_only: true,
            ..Default::default()
        };
        let mut stream = fixture
            .client()
            .await
            .watch_transitions(request)
            .await
            .unwrap()
            .into_inner();
        let frame = stream.next().await.unwrap().unwrap();
        assert_eq!((frame.sequence, frame.lost, frame.dropped), (0, 0, 0));
        assert_eq!(frame.epoch, netpoller_core::view::started_at_ns());
        let [opened] = &frame.events[..] else {
            panic!("{frame:?}")
        };
        assert_eq!(
            (opened.kind(), &opened.id, &*opened.poller),
            (EventKind::Opened, &desc.id().to_string(), "dumped")
        );
        assert_eq!(opened.argument as i32, desc.fd());
        assert_eq!(Some(&*opened.thread), std::thread::current().name());
        assert!(stream.next().await.is_none(), "it ends");
    });
}

#[test]
fn a_subscriber_hears_of_what_it_asked_for_and_of_nothing_else() {
    let poller = poller("heard");
    let (_a, _b, other) = open(&poller);
    let (_ours, _theirs, desc) = open(&poller);
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchTransitionsRequest {
            poller: "heard".into(),
            id: desc.id().to_string(),
            direction: Mode::Read.into(),
            kinds: vec![EventKind::Park.into(), EventKind::CancelParked.into()],
            ..Default::default()
        };
        let mut stream = fixture
            .client()
            .await
            .watch_transitions(request)
            .await
            .unwrap()
            .into_inner();
        for _ in 0..2 {
            for desc in [&other, &desc] {
                let (mut read, mut write) = (
                    pin!(desc.wait(Direction::Read)),
                    pin!(desc.wait(Direction::Write)),
                );
                park(read.as_mut());
                park(write.as_mut());
            }
        }
        let events = events(&mut stream, 4).await;
        let kinds: Vec<_> = events.iter().map(v1::Event::kind).collect();
        assert_eq!(kinds, [EventKind::Park, EventKind::CancelParked].repeat(2));
        assert!(
            events
                .iter()
                .all(|event| event.id == desc.id().to_string() && event.direction() == Mode::Read)
        );
    });
}

#[test]
fn a_poller_that_is_made_later_is_heard_from_its_beginning() {
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchTransitionsRequest {
            kinds: vec![EventKind::Opened.into()],
            ..Default::default()
        };
        let mut stream = fixture
            .client()
            .await
            .watch_transitions(request)
            .await
            .unwrap()
            .into_inner();
        let poller = poller("late");
        let (_ours, _theirs, desc) = open(&poller);
        loop {
            let events = events(&mut stream, 1).await;
            if events
                .iter()
                .any(|event| event.poller == "late" && event.id == desc.id().to_string())
            {
                return;
            }
        }
    });
}

#[test]
fn what_nobody_can_hear_of_is_refused_with_its_name() {
    let _poller = poller("unheard");
    let fixture = Fixture::new();
    let request = v1::WatchTransitionsRequest::default;
    let cases = [
        (
            v1::WatchTransitionsRequest {
                kinds: vec![99],
                ..request()
            },
            Code::InvalidArgument,
            "99",
        ),
        (
            v1::WatchTransitionsRequest {
                direction: 7,
                ..request()
            },
            Code::InvalidArgument,
            "direction: 7",
        ),
        (
            v1::WatchTransitionsRequest {
                id: "x".into(),
                ..request()
            },
            Code::InvalidArgument,
            "\"x\"",
        ),
        (
            v1::WatchTransitionsRequest {
                poller: "nobody".into(),
                ..request()
            },
            Code::NotFound,
            "\"nobody\"",
        ),
    ];
    run(async {
        let mut client = fixture.client().await;
        for (request, code, word) in cases {
            let status = client.watch_transitions(request).await.unwrap_err();
            assert_eq!(status.code(), code, "{status}");
            assert!(status.message().contains(word), "{status}");
        }
    });
}
