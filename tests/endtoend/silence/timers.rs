//! Time: many short waits, deadlines that move, work in large batches.

use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netpoller::{Direction, Kind, ReadyList, task, time};
use netpoller_tests::{new_poller, std_tcp_pair, tcp_and_peer, tcp_pair};

use super::{Service, silent};

#[test]
fn thousands_of_short_timers_are_no_fault() {
    silent("timers::thousands_of_short_timers_are_no_fault", |pace| {
        let poller = new_poller();
        let service = Service::start(
            &poller,
            Box::new(move |executor| {
                for index in 0..pace.many(5_000) {
                    let wait = Duration::from_millis(100 + index as u64 % 400);
                    let sleeps = async move {
                        loop {
                            time::sleep(wait).await;
                        }
                    };
                    executor.spawn(task::named("sleeper", sleeps)).detach();
                }
            }),
        );
        Box::new(service)
    });
}

#[test]
fn deadlines_that_are_moved_again_and_again_are_no_fault() {
    let name = "timers::deadlines_that_are_moved_again_and_again_are_no_fault";
    silent(name, |pace| {
        let poller = new_poller();
        let (streams, peers): (Vec<_>, Vec<_>) = (0..50).map(|_| tcp_and_peer(&poller)).unzip();
        let service = Service::start(
            &poller,
            Box::new(move |executor| {
                for stream in streams {
                    let (reader, mover) = (Rc::new(stream), Duration::from_millis(50));
                    let stream = Rc::clone(&reader);
                    let moves = async move {
                        loop {
                            let later = Instant::now() + pace.of(5.0);
                            stream.set_read_deadline(Some(later)).unwrap();
                            time::sleep(mover).await;
                        }
                    };
                    let reads = async move { while reader.read(&mut [0; 16]).await.is_ok() {} };
                    executor.spawn(task::named("moves", moves)).detach();
                    executor.spawn(task::named("reads", reads)).detach();
                }
            }),
        );
        Box::new((service, peers))
    });
}

#[test]
fn work_that_comes_in_batches_each_ten_seconds_is_no_fault() {
    let name = "timers::work_that_comes_in_batches_each_ten_seconds_is_no_fault";
    silent(name, |pace| {
        let poller = new_poller();
        let pairs: Vec<_> = (0..100).map(|_| tcp_pair(&poller)).collect();
        let service = Service::start(
            &poller,
            Box::new(move |executor| {
                for (ours, theirs) in pairs {
                    let answers = async move {
                        let mut buffer = [0; 64];
                        while let Ok(count) = ours.read(&mut buffer).await {
                            ours.write_all(&buffer[..count]).await.unwrap();
                        }
                    };
                    executor.spawn(task::named("answers", answers)).detach();
                    let asks = async move {
                        loop {
                            for _ in 0..20 {
                                theirs.write_all(b"question").await.unwrap();
                                theirs.read(&mut [0; 64]).await.unwrap();
                            }
                            time::sleep(pace.of(10.0)).await;
                        }
                    };
                    executor.spawn(task::named("asks", asks)).detach();
                }
            }),
        );
        Box::new(service)
    });
}

#[test]
fn a_loop_of_ones_own_around_poll_is_no_fault() {
    silent("timers::a_loop_of_ones_own_around_poll_is_no_fault", |_| {
        let poller = new_poller();
        let (ours, mut theirs) = std_tcp_pair();
        ours.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            while theirs.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let thread = std::thread::spawn(move || {
            use std::future::Future;
            use std::os::fd::AsFd;
            use std::task::{Context, Waker};
            let desc = poller.open(ours.as_fd(), Kind::Tcp).unwrap();
            let mut ready = ReadyList::default();
            loop {
                desc.reset(Direction::Read).unwrap();
                while std::io::Read::read(&mut &ours, &mut [0; 64]).is_ok_and(|count| count > 0) {}
                let mut wait = std::pin::pin!(desc.wait(Direction::Read));
                let mut cx = Context::from_waker(Waker::noop());
                while wait.as_mut().poll(&mut cx).is_pending() {
                    poller
                        .poll(Some(Duration::from_secs(1)), &mut ready)
                        .unwrap();
                    ready.wake_all();
                }
            }
        });
        Box::new(thread)
    });
}
