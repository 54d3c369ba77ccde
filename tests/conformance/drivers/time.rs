//! sleep, timeout and interval: never early.

use std::future::pending;
use std::pin::pin;
use std::time::{Duration, Instant};

use netpoller::time::{interval, sleep, sleep_until, timeout};
use netpoller::{Counter, Histogram};
use netpoller_tests::{Lane, assert_timeout, is_parked, run, soon, unix_pair};

#[test]
fn sleeps_never_end_early() {
    run(async |_| {
        for step in 0..14 {
            let length = Duration::from_micros(1 << step);
            let began = Instant::now();
            sleep(length).await;
            assert!(began.elapsed() >= length, "early: {length:?}");
        }
        sleep(Duration::ZERO).await;
        sleep_until(Instant::now()).await;
        // Its time runs from the call, not from the first poll.
        let began = Instant::now();
        let first = sleep(Duration::from_millis(20));
        sleep(Duration::from_millis(20)).await;
        first.await;
        assert!(began.elapsed() >= Duration::from_millis(20));
    });
}

#[test]
fn sleeps_are_counted_apart_from_readers() {
    run(async |poller| {
        let counter = |which| poller.stats().counter(which);
        let samples = |which| poller.stats().histogram(which).count();
        // One that is over before it is waited for is not woken.
        while counter(Counter::UnparkTimerDeadline) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
        let slept = counter(Counter::UnparkTimerDeadline);
        assert_eq!(samples(Histogram::TimeParkedTimer), slept);
        assert_eq!(samples(Histogram::WakeLatencyTimer), slept);
        for of_readers in [
            Histogram::TimeParkedReadDeadline,
            Histogram::WakeLatencyRead,
        ] {
            assert_eq!(samples(of_readers), 0);
        }
        assert_eq!(counter(Counter::UnparkReadDeadline), 0);

        let (ours, _peer) = unix_pair(&poller);
        while counter(Counter::UnparkReadDeadline) == 0 {
            ours.set_read_deadline(soon()).unwrap();
            assert_timeout(ours.read(&mut [0]).await);
        }
        let read = counter(Counter::UnparkReadDeadline);
        assert_eq!(samples(Histogram::TimeParkedReadDeadline), read);
        assert_eq!(samples(Histogram::WakeLatencyRead), read);
        assert_eq!(counter(Counter::UnparkTimerDeadline), slept);
        assert!(
            poller
                .audit_quiescent()
                .unwrap()
                .iter()
                .all(|law| !law.violated)
        );
    });
}

#[test]
fn sleeps_on_many_threads_never_end_early() {
    let lanes: Vec<_> = (1..16u64)
        .map(|lane| {
            Lane::start(move || {
                for step in 1..10 {
                    let length = Duration::from_micros(lane * step * 50);
                    let began = Instant::now();
                    netpoller::block_on(sleep(length));
                    assert!(began.elapsed() >= length, "early: {length:?}");
                }
            })
        })
        .collect();
    lanes.into_iter().for_each(Lane::join);
}

#[test]
fn the_longest_sleep_does_not_end() {
    run(async |_| {
        for mut sleep in [
            Box::pin(sleep(Duration::MAX)),
            Box::pin(sleep(Duration::from_nanos(u64::MAX))),
        ] {
            assert!(is_parked(&mut sleep).await);
            assert!(timeout(Duration::from_millis(5), sleep).await.is_err());
        }
    });
}

#[test]
fn a_timeout_ends_what_takes_too_long_and_nothing_else() {
    run(async |_| {
        let began = Instant::now();
        let elapsed = timeout(Duration::from_millis(10), pending::<()>())
            .await
            .unwrap_err();
        assert!(began.elapsed() >= Duration::from_millis(10), "early");
        assert_eq!(
            std::io::Error::from(elapsed).kind(),
            std::io::ErrorKind::TimedOut
        );
        assert_eq!(
            timeout(Duration::ZERO, async { 7 }).await,
            Ok(7),
            "the future wins a tie"
        );
        let nested = timeout(
            Duration::from_secs(3600),
            timeout(Duration::from_millis(1), pending::<()>()),
        );
        assert!(nested.await.unwrap().is_err());
    });
}

#[test]
fn an_interval_ticks_at_its_times_and_catches_up() {
    run(async |_| {
        let period = Duration::from_millis(3);
        let began = Instant::now();
        let mut interval = interval(period);
        for n in 1..=5 {
            let due = interval.tick().await;
            assert!(Instant::now() >= due && due >= began + period * n);
        }
        // A tick that is dropped is not lost.
        {
            let mut tick = pin!(interval.tick());
            // On a loaded machine its time may have come already; then it was not dropped, but
            // taken.
            let _ = is_parked(&mut tick).await;
        }
        sleep(period * 4).await;
        let sixth = interval.tick().await;
        let seventh = interval.tick().await;
        assert_eq!(
            seventh - sixth,
            period,
            "missed ticks come each in its turn"
        );
    });
}

#[test]
fn sleeps_hold_in_a_runtime_without_timers() {
    Lane::start(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            for step in 0..12 {
                let length = Duration::from_micros(1 << step);
                let began = Instant::now();
                sleep(length).await;
                assert!(began.elapsed() >= length, "early: {length:?}");
            }
        });
    })
    .join();
}
