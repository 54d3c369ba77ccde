//! net/timeout_test.go: deadlines that are set while others read and write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netpoller::{Error, Poller, block_on_poller};
use netpoller_tests::{Lane, run, tcp_pair};

/// TestReadWriteProlongedTimeout: deadlines an hour away that are set again and again do not
/// disturb an echo.
#[test]
fn read_write_prolonged_timeout() {
    run(async |poller: Poller| {
        let (client, server) = tcp_pair(&poller);
        let server = Arc::new(server);
        let done = Arc::new(AtomicBool::new(false));
        let movers: Vec<_> = [true, false]
            .into_iter()
            .map(|read| {
                let (server, done) = (server.clone(), done.clone());
                Lane::start(move || {
                    while !done.load(Ordering::Relaxed) {
                        let hour = Some(Instant::now() + Duration::from_secs(3600));
                        if read {
                            server.set_read_deadline(hour).unwrap();
                        } else {
                            server.set_write_deadline(hour).unwrap();
                        }
                        std::thread::yield_now();
                    }
                })
            })
            .collect();
        let echo = Lane::block_on(&poller, {
            let server = server.clone();
            move || async move {
                let mut buf = [0; 1024];
                for _ in 0..1000 {
                    let n = server.read(&mut buf).await.unwrap();
                    server.write_all(&buf[..n]).await.unwrap();
                }
            }
        });
        for round in 0..1000u32 {
            client.write_all(&round.to_le_bytes()).await.unwrap();
            let mut back = [0; 4];
            assert_eq!(client.read(&mut back).await.unwrap(), 4);
            assert_eq!(back, round.to_le_bytes());
        }
        echo.join();
        done.store(true, Ordering::Relaxed);
        movers.into_iter().for_each(Lane::join);
    });
}

/// TestReadWriteDeadlineRace: deadlines 2 µs away against reads and writes; each ends in time, with
/// a timeout or without.
#[test]
fn read_write_deadline_race() {
    run(async |poller: Poller| {
        let (a, b) = tcp_pair(&poller);
        let (a, b) = (Arc::new(a), Arc::new(b));
        let done = Arc::new(AtomicBool::new(false));
        let setter = Lane::start({
            let (a, done) = (a.clone(), done.clone());
            move || {
                while !done.load(Ordering::Relaxed) {
                    a.set_read_deadline(Some(Instant::now() + Duration::from_micros(2)))
                        .unwrap();
                    a.set_write_deadline(Some(Instant::now() + Duration::from_micros(2)))
                        .unwrap();
                    std::thread::yield_now();
                }
            }
        });
        let drain = Lane::block_on(&poller, move || async move {
            let mut buf = [0; 4096];
            while b.read(&mut buf).await.is_ok_and(|n| n > 0) {}
        });
        let reader = {
            let (poller, a) = (poller.clone(), a.clone());
            Lane::start(move || {
                for _ in 0..500 {
                    let error = block_on_poller(&poller, a.read(&mut [0; 1])).unwrap_err();
                    assert_eq!(Error::of(&error), Some(Error::DeadlineExceeded), "{error}");
                }
            })
        };
        for _ in 0..500 {
            if let Err(error) = a.write(b"x").await {
                assert_eq!(Error::of(&error), Some(Error::DeadlineExceeded), "{error}");
            }
        }
        reader.join();
        done.store(true, Ordering::Relaxed);
        setter.join();
        a.close().unwrap().await;
        drain.join();
    });
}

/// TestConcurrentSetDeadline (golang/go#35367): 8 threads move the deadlines of 10 connections
/// each, ever earlier. Afterwards each deadline holds.
#[test]
fn concurrent_set_deadline() {
    const THREADS: usize = 8;
    run(async |poller: Poller| {
        let pairs: Vec<_> = (0..THREADS * 10).map(|_| tcp_pair(&poller)).collect();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let pairs = &pairs;
                scope.spawn(move || {
                    for round in 0..100u32 {
                        for (a, _) in &pairs[thread * 10..][..10] {
                            let hours = Duration::from_secs(3600) * (200 - round);
                            a.set_deadline(Some(Instant::now() + hours)).unwrap();
                        }
                    }
                });
            }
        });
        let deadline = Instant::now() + Duration::from_millis(5);
        for (a, _) in &pairs {
            a.set_read_deadline(Some(deadline)).unwrap();
        }
        for (a, _) in &pairs {
            netpoller_tests::assert_timeout(a.read(&mut [0]).await);
        }
        assert!(Instant::now() >= deadline, "early");
    });
}

/// TestVariousDeadlines4Proc: the ladder on four threads that share one poller.
#[test]
fn various_deadlines_4proc() {
    run(async |poller: Poller| {
        let lanes: Vec<_> = (0..4)
            .map(|_| {
                Lane::block_on(&poller, {
                    let poller = poller.clone();
                    move || async move {
                        let (a, _b) = tcp_pair(&poller);
                        for step in 0..24 {
                            let deadline = Instant::now() + Duration::from_nanos(1 << step);
                            a.set_read_deadline(Some(deadline)).unwrap();
                            netpoller_tests::assert_timeout(a.read(&mut [0]).await);
                            assert!(Instant::now() >= deadline, "early: {step}");
                        }
                    }
                })
            })
            .collect();
        lanes.into_iter().for_each(Lane::join);
    });
}
