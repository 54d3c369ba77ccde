//! Statistics and laws.

use std::pin::pin;

use netpoller_core::view::faults;
use netpoller_core::{Direction, Transition};
use netpoller_proto::v1;

use crate::fixture::{Fixture, kept, open, park, poller, run};

#[test]
fn statistics_name_every_counter_and_the_laws_hold() {
    let poller = poller("counted");
    let (_ours, _theirs, desc) = open(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let fixture = Fixture::new();
    let request = v1::GetStatsRequest {
        poller: "counted".into(),
        ..Default::default()
    };
    let stats = run(async {
        fixture
            .client()
            .await
            .get_stats(request)
            .await
            .unwrap()
            .into_inner()
    });
    let [stats] = &stats.pollers[..] else {
        panic!("{stats:?}")
    };
    assert_eq!(stats.poller.as_ref().unwrap().waiters, 1);
    assert_eq!(stats.read.as_ref().unwrap().park, 1);
    assert_eq!(stats.counters.len(), netpoller_core::Counter::COUNT);
    assert_eq!(stats.counters["opened_unix"], 1);
    assert_eq!(stats.histograms.len(), netpoller_core::Histogram::COUNT);
    assert!(
        stats.laws.len() >= 10 && stats.laws.iter().all(|law| !law.violated),
        "{:?}",
        stats.laws
    );
}

#[test]
fn a_broken_law_is_reported_after_it_was_read_three_times() {
    let poller = poller("broken");
    faults::skew(&poller, Direction::Read, Transition::Park, 1);
    let fixture = Fixture::new();
    let request = v1::GetStatsRequest {
        poller: "broken".into(),
        ..Default::default()
    };
    let stats = run(async {
        fixture
            .client()
            .await
            .get_stats(request)
            .await
            .unwrap()
            .into_inner()
    });
    let violated: Vec<_> = stats.pollers[0]
        .laws
        .iter()
        .filter(|law| law.violated)
        .map(|law| &*law.name)
        .collect();
    assert_eq!(violated, ["arm", "park"]);
}

#[test]
fn statistics_of_an_interval_tell_what_was_counted_within_it() {
    let poller = poller("interval");
    let (_a, _b, _before) = open(&poller);
    let fixture = Fixture::new();
    let request = v1::GetStatsRequest {
        poller: "interval".into(),
        interval_ns: 300_000_000,
    };
    let stats = run(async {
        let mut client = fixture.client().await;
        let ask = tokio::spawn(async move { client.get_stats(request).await });
        // One a moment, so that some are opened within the interval, wherever it lies.
        let mut opened = Vec::new();
        while !ask.is_finished() {
            opened.push(kept(&poller));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        ask.await.unwrap().unwrap().into_inner()
    });
    assert!(stats.interval_ns >= 300_000_000, "{}", stats.interval_ns);
    assert_eq!(stats.epoch, netpoller_core::view::started_at_ns());
    let (all, interval) = (&stats.pollers[0], &stats.interval[0]);
    let opened = interval.counters["opened"];
    assert!(
        opened > 0 && opened < all.counters["opened"],
        "{opened} {:?}",
        all.counters["opened"]
    );
    assert_eq!(interval.poller, all.poller, "gauges are as they are now");
}

#[test]
fn an_interval_that_is_too_long_is_refused() {
    let fixture = Fixture::new();
    let request = v1::GetStatsRequest {
        interval_ns: u64::MAX,
        ..Default::default()
    };
    let status = run(async { fixture.client().await.get_stats(request).await.unwrap_err() });
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().contains("interval_ns"), "{status}");
}

#[test]
fn an_audit_names_the_law_that_a_skewed_counter_breaks() {
    let (sound, skewed) = (poller("sound"), poller("skewed"));
    let _open = [kept(&sound), kept(&skewed)];
    faults::skew(&skewed, Direction::Read, Transition::Park, 1);
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        for (name, kernel, expected) in [
            ("sound", true, &[][..]),
            ("skewed", false, &["arm", "park"]),
            ("skewed", true, &["arm", "park"]),
        ] {
            let request = v1::AuditRequest {
                poller: name.into(),
                kernel,
            };
            let answer = client.audit(request).await.unwrap().into_inner();
            assert_eq!(answer.epoch, netpoller_core::view::started_at_ns());
            let [audited] = &answer.pollers[..] else {
                panic!("{answer:?}")
            };
            let violated: Vec<_> = audited
                .laws
                .iter()
                .filter(|law| law.violated)
                .map(|law| law.name.as_str())
                .collect();
            assert_eq!((audited.poller.as_str(), &violated[..]), (name, expected));
            assert_eq!(audited.laws.iter().any(|law| law.name == "kernel"), kernel);
        }
    });
}
