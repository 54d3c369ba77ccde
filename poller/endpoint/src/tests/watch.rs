//! The stream of the table.

use std::pin::pin;
use std::time::Duration;

use netpoller_core::Direction;
use netpoller_proto::v1;
use tonic::Code;

use super::group;
use crate::fixture::{Fixture, open, park, poller, run};
use crate::limits::Limits;

#[test]
fn a_watcher_gets_the_table_and_then_only_what_changes() {
    let poller = poller("watched");
    let (_a, _b, _still) = open(&poller);
    let (ours, _theirs, desc) = open(&poller);
    let id = desc.id();
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "watched".into(),
            interval_ns: 1,
            stats: true,
            ..Default::default()
        };
        let mut stream = fixture
            .client()
            .await
            .watch(request)
            .await
            .unwrap()
            .into_inner();
        let keyframe = group(&mut stream).await;
        assert!(
            keyframe.keyframe
                && keyframe.sequence == 0
                && keyframe.epoch == netpoller_core::view::started_at_ns()
        );
        assert_eq!(keyframe.upserts.len(), 2);
        let stats = keyframe.stats.unwrap();
        assert_eq!((stats.pollers.len(), stats.interval.len()), (1, 0));
        let quiet = group(&mut stream).await;
        assert!(
            !quiet.keyframe
                && quiet.upserts.is_empty()
                && quiet.removes.is_empty()
                && quiet.sequence == 1
        );
        let stats = quiet.stats.unwrap();
        assert_eq!(
            stats.interval[0].counters["opened"], 0,
            "both were opened before"
        );
        assert!(stats.interval_ns > 0 && stats.epoch == keyframe.epoch);

        {
            let mut wait = pin!(desc.wait(Direction::Read));
            park(wait.as_mut());
            let mut delta = group(&mut stream).await;
            while delta.upserts.is_empty() {
                delta = group(&mut stream).await;
            }
            assert_eq!(
                delta
                    .upserts
                    .iter()
                    .map(v1::Descriptor::id)
                    .collect::<Vec<_>>(),
                std::slice::from_ref(&id)
            );
            assert!(delta.upserts[0].read.as_ref().unwrap().is_waiting());
        }
        desc.close();
        drop(ours);
        let mut removes = Vec::new();
        while removes.is_empty() {
            removes = group(&mut stream).await.removes;
        }
        assert_eq!(removes, [format!("watched/{id}")]);
    });
}

#[test]
fn the_next_owner_of_a_slot_is_told_beside_the_removal_of_the_one_before() {
    let poller = poller("slots");
    let (ours, _theirs, desc) = open(&poller);
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "slots".into(),
            interval_ns: 1,
            ..Default::default()
        };
        let stream = fixture.client().await.watch(request).await;
        let mut stream = stream.unwrap().into_inner();
        assert_eq!(group(&mut stream).await.upserts.len(), 1);

        let before = desc.id();
        drop((desc, ours));
        let (_ours, _theirs, desc) = open(&poller);
        assert_eq!(before.slot, desc.id().slot, "the slot is used again");
        // Both may be in one group or, if the watcher looked between, in two.
        let (mut upserts, mut removes) = (Vec::new(), Vec::new());
        while upserts.is_empty() || removes.is_empty() {
            let delta = group(&mut stream).await;
            upserts.extend(delta.upserts.iter().map(v1::Descriptor::id));
            removes.extend(delta.removes);
        }
        assert_eq!(removes, [format!("slots/{before}")]);
        assert_eq!(upserts, [desc.id()]);
    });
}

#[test]
fn a_poller_that_is_gone_takes_its_rows_with_it() {
    let gone = poller("gone");
    let (ours, _theirs, desc) = open(&gone);
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "gone".into(),
            interval_ns: 1,
            ..Default::default()
        };
        let stream = fixture.client().await.watch(request).await;
        let mut stream = stream.unwrap().into_inner();
        assert_eq!(group(&mut stream).await.upserts.len(), 1);

        let id = desc.id();
        drop((desc, ours, gone));
        let mut removes = Vec::new();
        while removes.is_empty() {
            removes = group(&mut stream).await.removes;
        }
        assert_eq!(removes, [format!("gone/{id}")]);
    });
}

#[test]
fn several_clients_are_served_at_once_and_a_place_is_free_again_when_a_watcher_leaves() {
    let _poller = poller("shared");
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "shared".into(),
            ..Default::default()
        };
        let mut streams = Vec::new();
        for _ in 0..Limits::default().subscribers {
            let mut stream = fixture
                .client()
                .await
                .watch(request.clone())
                .await
                .unwrap()
                .into_inner();
            group(&mut stream).await;
            streams.push(stream);
        }
        let mut client = fixture.client().await;
        let refused = client.watch(request.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        client
            .get_server(v1::GetServerRequest {})
            .await
            .expect("others are still answered");
        streams.pop();
        while client.watch(request.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}
