//! Where the time of one request went.

use std::future::Future;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::future::{self, yield_now};
use netpoller::net::{TcpListener, TcpStream};
use netpoller::task::{Awaited, Spent, measured};
use netpoller::{Direction, Kind, Poller, ReadyList, block_on_poller};
use netpoller_tests::{Lane, is_parked, new_poller, tcp_and_peer, unix_pair};

use crate::runtime::current_thread;

/// What was spent on `wait`, which is parked when `end` lets it come to its end.
async fn spent_on<T>(wait: impl Future<Output = T>, end: impl FnOnce()) -> Spent {
    let mut measured = pin!(measured(wait));
    assert!(is_parked(&mut measured).await);
    end();
    measured.await.1
}

#[track_caller]
fn adds_up(spent: &Spent) {
    let each = Awaited::ALL.map(|awaited| spent.parked(awaited).total());
    let parked: Duration = each.into_iter().sum();
    assert_eq!(spent.wall(), spent.running() + parked, "{spent}");
    assert!(!spent.running().is_zero(), "{spent}");
}

/// It was parked for these, and for nothing else that a poller knows of.
#[track_caller]
fn was_parked_for(spent: &Spent, these: &[Awaited]) {
    adds_up(spent);
    let known = Awaited::ALL.into_iter().filter(|it| *it != Awaited::Other);
    for awaited in known {
        let parked = spent.parked(awaited).times() > 0;
        assert_eq!(parked, these.contains(&awaited), "{awaited}: {spent}");
    }
}

async fn every_wait(poller: &Poller) {
    let (ours, mut peer) = tcp_and_peer(poller);
    let read = spent_on(ours.read(&mut [0; 8]), || peer.write_all(b"1").unwrap()).await;
    was_parked_for(&read, &[Awaited::Read]);

    let block = vec![0; 1 << 20];
    let fills = async {
        for _ in 0..16 {
            ours.write_all(&block).await.unwrap();
        }
    };
    let mut reader = None;
    let write = spent_on(fills, || {
        reader = Some(std::thread::spawn(move || {
            peer.read_exact(&mut vec![0; 16 << 20]).unwrap();
        }));
    });
    was_parked_for(&write.await, &[Awaited::Write]);
    reader.unwrap().join().unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = None;
    let accept = spent_on(listener.accept(), || {
        client = Some(std::net::TcpStream::connect(address).unwrap());
    });
    was_parked_for(&accept.await, &[Awaited::Accept]);

    let connect = spent_on(TcpStream::connect(address), || {}).await;
    was_parked_for(&connect, &[Awaited::Connect]);

    let nap = Duration::from_millis(3);
    let sleep = spent_on(netpoller::time::sleep(nap), || {}).await;
    was_parked_for(&sleep, &[Awaited::Sleep]);
    assert!(sleep.wall() >= nap, "{sleep}");

    let (other, spent) = measured(async {
        yield_now().await;
        7
    })
    .await;
    was_parked_for(&spent, &[]);
    assert_eq!((other, spent.polls()), (7, 2));
    assert_eq!(spent.parked(Awaited::Other).times(), 1);
}

#[test]
fn time_parked_is_told_by_what_was_waited_for_inline() {
    Lane::start(|| {
        let poller = new_poller();
        block_on_poller(&poller, every_wait(&poller));
    })
    .join();
}

#[test]
fn time_parked_is_told_by_what_was_waited_for_in_a_runtime() {
    Lane::start(|| current_thread().block_on(every_wait(&new_poller()))).join();
}

/// The inner ones see their own time, and the outer one that of both.
#[test]
fn measured_futures_nest() {
    let poller = new_poller();
    let (ours, peer) = unix_pair(&poller);
    let nap = Duration::from_millis(3);
    let (spent, outer) = block_on_poller(
        &poller,
        measured(async {
            let read = measured(async { ours.read(&mut [0; 8]).await.unwrap() });
            let write = async {
                future::yield_now().await;
                peer.write_all(b"1").await.unwrap();
            };
            let ((_, read), ()) = future::zip(read, write).await;
            let ((), sleep) = measured(netpoller::time::sleep(nap)).await;
            [read, sleep]
        }),
    );
    let [read, sleep] = spent;
    was_parked_for(&read, &[Awaited::Read]);
    was_parked_for(&sleep, &[Awaited::Sleep]);
    was_parked_for(&outer, &[Awaited::Read, Awaited::Sleep]);
    assert!(outer.wall() >= read.wall() + sleep.wall());
}

/// One that is spawned behind a task that keeps the thread.
#[test]
fn the_time_before_the_first_poll_is_told_apart() {
    let busy = Duration::from_millis(20);
    Lane::start(move || {
        current_thread().block_on(async {
            let spawned = tokio::spawn(measured(async {}));
            std::thread::sleep(busy);
            let ((), spent) = spawned.await.unwrap();
            adds_up(&spent);
            assert!(spent.before_first_poll() >= busy, "{spent}");
            assert!(spent.to_string().contains("first polled after"), "{spent}");
        });
    })
    .join();
}

/// Whoever is late is told: who does not poll, a poller that is slow to call the waker, and a
/// scheduler that is slow to run the task.
#[test]
fn each_share_of_a_wait_is_that_of_who_was_late() {
    let [before, poller_share, scheduler] = [4, 6, 8].map(Duration::from_millis);
    let poller = new_poller();
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    let mut measured = measured(desc.wait(Direction::Read));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut measured).poll(cx).is_pending());
    theirs.write_all(b"1").unwrap();
    std::thread::sleep(before);
    let mut ready = ReadyList::default();
    poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
    std::thread::sleep(poller_share);
    ready.wake_all();
    std::thread::sleep(scheduler);
    let Poll::Ready((Ok(()), spent)) = Pin::new(&mut measured).poll(cx) else {
        panic!("it was woken")
    };
    was_parked_for(&spent, &[Awaited::Read]);
    let parked = spent.parked(Awaited::Read);
    assert_eq!((spent.polls(), parked.times()), (2, 1));
    assert!(parked.kernel() >= before, "{spent}");
    assert!(parked.poller() >= poller_share, "{spent}");
    assert!(parked.scheduler() >= scheduler, "{spent}");
}
