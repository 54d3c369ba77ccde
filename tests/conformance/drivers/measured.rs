//! Where the time of one request went.

use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::time::Duration;

use futures_lite::future::{self, yield_now};
use netpoller::net::{TcpListener, TcpStream};
use netpoller::task::{Awaited, Spent, measured};
use netpoller::{Poller, block_on_poller};
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
        block_on_poller(&poller, every_wait(&poller)).unwrap();
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
    )
    .unwrap();
    let [read, sleep] = spent;
    was_parked_for(&read, &[Awaited::Read]);
    was_parked_for(&sleep, &[Awaited::Sleep]);
    was_parked_for(&outer, &[Awaited::Read, Awaited::Sleep]);
    assert!(outer.wall() >= read.wall() + sleep.wall());
    assert!(outer.parked(Awaited::Sleep).total() >= sleep.parked(Awaited::Sleep).total());
}

/// A reader that runs late because a task keeps its executor is told that it was woken in time, and
/// by whom it was kept: the delay is the scheduler's, at least that of the busy task.
#[test]
fn a_task_that_keeps_the_executor_is_told_as_the_schedulers_share() {
    let busy = Duration::from_millis(30);
    let poller = new_poller();
    let (ours, peer) = unix_pair(&poller);
    let executor = async_executor::LocalExecutor::new();
    let spent = block_on_poller(
        &poller,
        executor.run(async {
            // Both are woken by one poll, and the first one is in the way of the second.
            let (first, first_peer) = unix_pair(&poller);
            let keeps = executor.spawn(async move {
                first.read(&mut [0; 8]).await.unwrap();
                std::thread::sleep(busy);
            });
            let reads = executor.spawn(async move { measured(ours.read(&mut [0; 8])).await.1 });
            while poller.waiters() < 2 {
                yield_now().await;
            }
            first_peer.write_all(b"1").await.unwrap();
            peer.write_all(b"1").await.unwrap();
            keeps.await;
            reads.await
        }),
    )
    .unwrap();
    was_parked_for(&spent, &[Awaited::Read]);
    assert!(spent.parked(Awaited::Read).scheduler() >= busy, "{spent}");
}
