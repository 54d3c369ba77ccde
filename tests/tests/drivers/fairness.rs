//! A task on a descriptor that is always ready leaves the others their turns: operations of every
//! kind, in every executor.

use std::io::{Read, Write};
use std::os::unix::net as std_unix;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_lite::future::{poll_fn, zip};
use netpoller::driver::ThreadDriver;
use netpoller::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream,
};
use netpoller::pipe::{PipeReader, PipeWriter};
use netpoller::pollable::Pollable;
use netpoller::{Direction, Kind, Poller, Sides, block_on_poller, time};
use netpoller_tests::{Lane, loopback, past, tcp_pair, unix_pair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::runtime::{current_thread, multi_thread};

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type Start = fn(Poller, usize) -> Work;
type Run = fn(&Poller, Work, Work);

/// Operations in a row of a task that does nothing else.
const OPERATIONS: usize = 1_500;

/// So often at least others must have had a turn meanwhile: tokio's budget is of 128 operations,
/// and ours as well.
const TURNS: usize = OPERATIONS / 256;

/// A stream of ours, and its peer as std has it.
fn tcp(poller: &Poller) -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(loopback()).unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    (poller.in_scope(|| TcpStream::from_std(ours)).unwrap(), peer)
}

/// A stream of ours with bytes that none of the operations reads.
fn readable(poller: &Poller) -> (TcpStream, std::net::TcpStream) {
    let (ours, mut peer) = tcp(poller);
    peer.write_all(&[7; 16]).unwrap();
    (ours, peer)
}

fn udp(poller: &Poller) -> (UdpSocket, std::net::UdpSocket) {
    let ours = poller.in_scope(|| UdpSocket::bind(loopback())).unwrap();
    let peer = std::net::UdpSocket::bind(loopback()).unwrap();
    ours.connect(peer.local_addr().unwrap()).unwrap();
    peer.connect(ours.local_addr().unwrap()).unwrap();
    (ours, peer)
}

/// A datagram socket of ours, one of std's, and their directory.
fn datagrams(poller: &Poller) -> (UnixDatagram, std_unix::UnixDatagram, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let ours = poller.in_scope(|| UnixDatagram::bind(&a)).unwrap();
    let peer = std_unix::UnixDatagram::bind(&b).unwrap();
    ours.connect(&b).unwrap();
    peer.connect(&a).unwrap();
    (ours, peer, dir)
}

/// Each of these does one operation so many times. What the peer does is no operation of ours, so
/// that each kind is alone.
macro_rules! kinds {
    ($($name:literal, $poller:ident { $($setup:tt)* } { $($operation:tt)* })*) => {
        const KINDS: &[(&str, Start)] = &[$(($name, |$poller, times| Box::pin(async move {
            $($setup)*
            for _ in 0..times {
                $($operation)*
            }
        }))),*];
    };
}

kinds! {
    "read", poller { let (ours, mut peer) = tcp(&poller); } {
        peer.write_all(&[7]).unwrap();
        ours.read(&mut [0; 1]).await.unwrap();
    }
    "read of nothing", poller { let (ours, _peer) = tcp(&poller); } {
        ours.read(&mut []).await.unwrap();
    }
    "read_vectored", poller { let (ours, mut peer) = tcp(&poller); } {
        peer.write_all(&[7]).unwrap();
        ours.read_vectored(&mut [std::io::IoSliceMut::new(&mut [0; 1])]).await.unwrap();
    }
    "readable", poller { let (ours, _peer) = readable(&poller); } {
        ours.readable().await.unwrap();
    }
    "writable", poller { let (ours, _peer) = tcp(&poller); } {
        ours.writable().await.unwrap();
    }
    "write", poller { let (ours, mut peer) = tcp(&poller); } {
        ours.write(&[7]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "write_vectored", poller { let (ours, mut peer) = tcp(&poller); } {
        ours.write_vectored(&[std::io::IoSlice::new(&[7])]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "write_all", poller { let (ours, mut peer) = tcp(&poller); } {
        ours.write_all(&[7]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "read at the end", poller { let (ours, peer) = tcp(&poller); drop(peer); } {
        assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
    }
    "read after its deadline", poller { let (ours, _peer) = tcp(&poller); ours.set_deadline(past()).unwrap(); } {
        ours.read(&mut [0; 1]).await.unwrap_err();
    }
    "write after close", poller { let (ours, _peer) = tcp(&poller); ours.close().unwrap().await; } {
        ours.write(&[7]).await.unwrap_err();
    }
    "tokio's AsyncRead", poller { let (mut ours, mut peer) = tcp(&poller); } {
        peer.write_all(&[7]).unwrap();
        AsyncReadExt::read(&mut ours, &mut [0; 1]).await.unwrap();
    }
    "tokio's AsyncRead of nothing", poller { let (mut ours, _peer) = tcp(&poller); } {
        AsyncReadExt::read(&mut ours, &mut []).await.unwrap();
    }
    "tokio's AsyncWrite", poller { let (mut ours, mut peer) = tcp(&poller); } {
        AsyncWriteExt::write(&mut ours, &[7]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "tokio's AsyncWrite, vectored", poller { let (mut ours, mut peer) = tcp(&poller); } {
        AsyncWriteExt::write_vectored(&mut ours, &[std::io::IoSlice::new(&[7])]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "tokio's AsyncRead of a Unix stream", poller { let (mut ours, _peer) = unix_pair(&poller); drop(_peer); } {
        assert_eq!(AsyncReadExt::read(&mut ours, &mut [0; 1]).await.unwrap(), 0);
    }
    "futures' AsyncRead", poller { let (mut ours, mut peer) = tcp(&poller); } {
        peer.write_all(&[7]).unwrap();
        let mut buf = [0; 1];
        poll_fn(|cx| futures_io::AsyncRead::poll_read(Pin::new(&mut ours), cx, &mut buf)).await.unwrap();
    }
    "futures' AsyncWrite", poller { let (mut ours, mut peer) = tcp(&poller); } {
        poll_fn(|cx| futures_io::AsyncWrite::poll_write(Pin::new(&mut ours), cx, &[7])).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "hyper's Read", poller { let (mut ours, mut peer) = tcp(&poller); } {
        peer.write_all(&[7]).unwrap();
        let mut bytes = [0; 1];
        poll_fn(|cx| {
            let mut buf = hyper::rt::ReadBuf::new(&mut bytes);
            hyper::rt::Read::poll_read(Pin::new(&mut ours), cx, buf.unfilled())
        }).await.unwrap();
    }
    "hyper's Write", poller { let (mut ours, mut peer) = tcp(&poller); } {
        poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut ours), cx, &[7])).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "accept", poller { let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap(); } {
        drop(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        drop(listener.accept().await.unwrap());
    }
    "incoming", poller { let mut incoming = poller.in_scope(|| TcpListener::bind(loopback())).unwrap().into_incoming(); } {
        drop(std::net::TcpStream::connect(incoming.listener().local_addr().unwrap()).unwrap());
        drop(incoming.accept().await.unwrap());
    }
    "accept of a Unix stream", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let listener = poller.in_scope(|| UnixListener::bind(&path)).unwrap();
    } {
        let _peer = std_unix::UnixStream::connect(&path).unwrap();
        listener.accept().await.unwrap();
    }
    "incoming Unix streams", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let listener = poller.in_scope(|| UnixListener::bind(&path)).unwrap();
        let mut incoming = listener.incoming();
    } {
        let _peer = std_unix::UnixStream::connect(&path).unwrap();
        incoming.accept().await.unwrap();
    }
    "accept of a seqpacket", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let listener = poller.in_scope(|| UnixSeqpacketListener::bind(&path)).unwrap();
        let socket = || socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
    } {
        let peer = socket();
        peer.connect(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        listener.accept().await.unwrap();
    }
    "connect", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let listener = std_unix::UnixListener::bind(&path).unwrap();
    } {
        drop(poller.in_scope(|| UnixStream::connect(&path)).await.unwrap());
        drop(listener.accept().unwrap());
    }
    "connect that is refused", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nobody");
    } {
        poller.in_scope(|| UnixStream::connect(&path)).await.unwrap_err();
    }
    "UDP recv", poller { let (ours, peer) = udp(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv(&mut [0; 1]).await.unwrap();
    }
    "UDP recv_from", poller { let (ours, peer) = udp(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv_from(&mut [0; 1]).await.unwrap();
    }
    "UDP send", poller { let (ours, peer) = udp(&poller); } {
        ours.send(&[7]).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "UDP send_to", poller { let (ours, peer) = udp(&poller); } {
        ours.send_to(&[7], peer.local_addr().unwrap()).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "datagram recv", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv(&mut [0; 1]).await.unwrap();
    }
    "datagram recv_from", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv_from(&mut [0; 1]).await.unwrap();
    }
    "datagram recv_message", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv_message(&mut [std::io::IoSliceMut::new(&mut [0; 1])], &mut []).await.unwrap();
    }
    "datagram send", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        ours.send(&[7]).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "datagram send_to", poller { let (ours, peer, dir) = datagrams(&poller); } {
        ours.send_to(&[7], dir.path().join("b")).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "datagram send_message", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        ours.send_message(&[std::io::IoSlice::new(&[7])], &[]).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "seqpacket", poller { let (a, b) = poller.in_scope(|| UnixSeqpacket::pair()).unwrap(); } {
        a.send(&[7]).await.unwrap();
        b.recv(&mut [0; 1]).await.unwrap();
    }
    "pipe read", poller {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = poller.in_scope(|| PipeReader::from_owned_fd(reader.into())).unwrap();
    } {
        writer.write_all(&[7]).unwrap();
        reader.read(&mut [0; 1]).await.unwrap();
    }
    "pipe write", poller {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let writer = poller.in_scope(|| PipeWriter::from_owned_fd(writer.into())).unwrap();
    } {
        writer.write(&[7]).await.unwrap();
        reader.read_exact(&mut [0]).unwrap();
    }
    "pollable read", poller {
        let (ours, mut peer) = std_unix::UnixStream::pair().unwrap();
        let ours = poller.in_scope(|| Pollable::new(ours)).unwrap();
    } {
        peer.write_all(&[7]).unwrap();
        ours.read_with(|mut socket| socket.read(&mut [0; 1])).await.unwrap();
    }
    "pollable write", poller {
        let (ours, mut peer) = std_unix::UnixStream::pair().unwrap();
        let ours = poller.in_scope(|| Pollable::new(ours)).unwrap();
    } {
        ours.write_with(|mut socket| socket.write(&[7])).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "file", poller { let _ = &poller; let ours = Pollable::new_or_plain(tempfile::tempfile().unwrap()).unwrap(); } {
        assert_eq!(ours.read_with(|mut file| file.read(&mut [0; 1])).await.unwrap(), 0);
    }
    "sleep that is over", poller { let _ = &poller; } {
        time::sleep_until(Instant::now()).await;
    }
    "sleep of no time", poller { let _ = &poller; } {
        time::sleep(Duration::ZERO).await;
    }
    "tick that is overdue", poller {
        let _ = &poller;
        let mut interval = time::interval(Duration::from_nanos(1));
        std::thread::sleep(Duration::from_millis(1));
    } {
        interval.tick().await;
    }
    "timeout of what is ready", poller { let (ours, _peer) = readable(&poller); } {
        time::timeout(Duration::ZERO, ours.readable()).await.unwrap().unwrap();
    }
    "timeout of what never is", poller { let (ours, _peer) = tcp(&poller); } {
        time::timeout(Duration::ZERO, ours.readable()).await.unwrap_err();
    }
}

/// Yields once.
async fn give_way() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Counts its turns until it is told to stop.
async fn count(turns: Arc<AtomicUsize>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        turns.fetch_add(1, Ordering::Relaxed);
        give_way().await;
    }
}

/// Does `work` beside somebody who counts his turns, as `run` runs them; says how many they were.
fn turns_beside(start: Start, run: impl FnOnce(&Poller, Work, Work)) -> usize {
    let poller = Poller::builder().build().unwrap();
    let (turns, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let counting = count(turns.clone(), stop.clone());
    let work = start(poller.clone(), OPERATIONS);
    let working = async move {
        // The other one is there first.
        give_way().await;
        work.await;
        stop.store(true, Ordering::Relaxed);
    };
    run(&poller, Box::pin(working), Box::pin(counting));
    turns.load(Ordering::Relaxed)
}

#[track_caller]
fn every_kind_leaves_turns(run: fn(&Poller, Work, Work)) {
    Lane::start(move || {
        let greedy: Vec<_> = KINDS
            .iter()
            .map(|(name, start)| (name, turns_beside(*start, run)))
            .filter(|(_, turns)| *turns < TURNS)
            .collect();
        assert!(greedy.is_empty(), "so many turns of {TURNS}: {greedy:?}");
    })
    .join();
}

#[test]
fn issue_tokio_2160_every_operation_leaves_others_their_turns_in_tokio() {
    every_kind_leaves_turns(|_, work, other| {
        current_thread().block_on(async {
            let other = tokio::spawn(other);
            tokio::spawn(work).await.unwrap();
            other.await.unwrap();
        });
    });
}

#[test]
fn issue_tokio_2160_every_operation_leaves_others_their_turns_in_block_on() {
    every_kind_leaves_turns(|poller, work, other| {
        block_on_poller(poller, zip(work, other));
    });
}

#[test]
fn issue_tokio_2160_every_operation_leaves_others_their_turns_in_an_executor_inside_block_on() {
    every_kind_leaves_turns(|poller, work, other| {
        let executor = async_executor::LocalExecutor::new();
        let both = [executor.spawn(other), executor.spawn(work)];
        block_on_poller(
            poller,
            executor.run(async {
                for task in both {
                    task.await;
                }
            }),
        );
    });
}

#[test]
fn issue_tokio_2160_every_operation_leaves_others_their_turns_beside_a_thread_driver() {
    every_kind_leaves_turns(|poller, work, other| {
        let _driver = ThreadDriver::start(poller).unwrap();
        let executor = async_executor::Executor::new();
        let both = [executor.spawn(other), executor.spawn(work)];
        futures_lite::future::block_on(executor.run(async {
            for task in both {
                task.await;
            }
        }));
    });
}

/// Reads bytes of its own one by one, and now and then sends one to a task that waits for it; says
/// how many it has read at most before that task had it.
fn reads_before_an_event_is_seen(run: Run) -> usize {
    const READS: usize = 8_000;
    const EVERY: usize = 611;
    let poller = Poller::builder().build().unwrap();
    let _entered = poller.enter();
    let adopt = |stream| UnixStream::from_std(stream).unwrap();
    let (busy, mut full) = std_unix::UnixStream::pair().unwrap();
    let (called, mut caller) = std_unix::UnixStream::pair().unwrap();
    let (busy, called) = (adopt(busy), adopt(called));
    full.write_all(&[7; READS]).unwrap();
    let (reads, sent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let worst = Arc::<AtomicUsize>::default();
    let reading = {
        let (reads, sent) = (reads.clone(), sent.clone());
        async move {
            // The other one waits by then.
            give_way().await;
            for read in 1..=READS {
                busy.read(&mut [0]).await.unwrap();
                reads.store(read, Ordering::Relaxed);
                if read % EVERY == 0 {
                    sent.store(read, Ordering::Relaxed);
                    caller.write_all(&[7]).unwrap();
                }
            }
        }
    };
    let waiting = {
        let worst = worst.clone();
        async move {
            while called.read(&mut [0]).await.unwrap() > 0 {
                let late = reads.load(Ordering::Relaxed) - sent.load(Ordering::Relaxed);
                worst.fetch_max(late, Ordering::Relaxed);
            }
        }
    };
    run(&poller, Box::pin(reading), Box::pin(waiting));
    worst.load(Ordering::Relaxed)
}

/// The budget of a task, and nothing more: whoever has used it up gives events to their tasks
/// before these have their turn, so that none waits for another round of his.
#[test]
fn an_event_is_seen_before_a_task_that_is_always_ready_has_another_round() {
    let runs: [(&str, Run); 3] = [
        ("tokio", |_, work, other| {
            current_thread().block_on(async {
                let other = tokio::spawn(other);
                tokio::spawn(work).await.unwrap();
                other.await.unwrap();
            });
        }),
        ("block_on", |poller, work, other| {
            block_on_poller(poller, zip(work, other));
        }),
        ("an executor inside block_on", |poller, work, other| {
            let executor = async_executor::LocalExecutor::new();
            let both = [executor.spawn(other), executor.spawn(work)];
            let all = async {
                for task in both {
                    task.await;
                }
            };
            block_on_poller(poller, executor.run(all));
        }),
    ];
    for (name, run) in runs {
        let late = Lane::start(move || reads_before_an_event_is_seen(run)).join();
        assert!(late <= 128, "{name}: {late} reads");
        assert!(late > 0, "{name}: it was never kept waiting");
    }
}

/// One that never ends by itself must not keep its runtime from ending.
#[test]
fn issue_tokio_2160_a_runtime_ends_beside_a_task_that_is_always_ready() {
    for runtime in [current_thread, multi_thread] {
        for (name, start) in KINDS {
            let poller = Poller::builder().build().unwrap();
            let runtime = runtime();
            runtime.spawn(start(poller, usize::MAX));
            runtime.block_on(async {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            });
            let ending = Lane::start(move || drop(runtime));
            assert!(ending.ends(), "{name}");
        }
    }
}

/// As tokio's own: the future may have used the budget up, and its time is over all the same.
#[test]
fn a_timeout_ends_although_its_future_never_comes_to_an_end_and_always_has_something_to_do() {
    let busy = |poller: &Poller| {
        let (ours, peer) = readable(poller);
        async move {
            let _peer = peer;
            loop {
                ours.readable().await.unwrap();
            }
        }
    };
    Lane::start(move || {
        let poller = Poller::builder().build().unwrap();
        let limit = Duration::from_millis(5);
        let timeout = || time::timeout(limit, busy(&poller));
        current_thread().block_on(async { timeout().await.unwrap_err() });
        block_on_poller(&poller, async { timeout().await.unwrap_err() });
        let _driver = ThreadDriver::start(Poller::global()).unwrap();
        futures_lite::future::block_on(async { timeout().await.unwrap_err() });
    })
    .join();
}

/// Who asks for it is not disturbed.
#[test]
fn a_task_without_constraints_never_yields_and_a_wait_costs_no_budget() {
    Lane::start(|| {
        let poller = Poller::builder().build().unwrap();
        current_thread().block_on(async {
            let (ours, _peer) = readable(&poller);
            let reading = pin!(async {
                for _ in 0..OPERATIONS {
                    ours.readable().await.unwrap();
                }
            });
            let mut reading = pin!(tokio::task::unconstrained(reading));
            let poll = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
            assert!(poll.is_ready(), "it was made to yield");

            // Polled again and again without coming to anything.
            let (idle, _peer) = tcp(&poller);
            poll_fn(|cx| {
                for _ in 0..OPERATIONS {
                    assert!(pin!(idle.readable()).poll(cx).is_pending());
                }
                assert!(tokio::task::coop::has_budget_remaining());
                Poll::Ready(())
            })
            .await;
        });
    })
    .join();
}

/// A thread that does one operation and waits for it has no other tasks.
#[test]
fn a_blocking_handle_is_not_disturbed() {
    let poller = Poller::builder().build().unwrap();
    let (a, mut peer) = tcp(&poller);
    for _ in 0..OPERATIONS {
        assert_eq!(a.blocking().write(&[7]).unwrap(), 1);
        peer.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(poller_polls(&poller), 0, "it never had to wait");
}

fn poller_polls(poller: &Poller) -> u64 {
    let stats = netpoller::view::stats(poller);
    stats.counter(netpoller::Counter::PollsBlock) + stats.counter(netpoller::Counter::PollsNonblock)
}

/// In `block_on` the poll runs as well: without it no deadline is fired.
#[test]
fn issue_tokio_2160_deadlines_fire_beside_a_future_that_is_always_ready_in_block_on() {
    Lane::start(|| {
        let poller = Poller::builder().build().unwrap();
        let (ours, _peer) = readable(&poller);
        let fired = AtomicUsize::new(0);
        let sleeping = async {
            for _ in 0..3 {
                time::sleep(Duration::from_micros(50)).await;
                fired.fetch_add(1, Ordering::Relaxed);
            }
        };
        let busy = async {
            for _ in 0..1_000_000 {
                if fired.load(Ordering::Relaxed) == 3 {
                    return true;
                }
                ours.readable().await.unwrap();
            }
            false
        };
        let (fired, ()) = block_on_poller(&poller, zip(busy, sleeping));
        assert!(fired, "no deadline in a million operations");
    })
    .join();
}

/// At the seam as well: a wait that ends at once because of its deadline.
#[test]
fn issue_tokio_2160_a_wait_at_the_seam_takes_part() {
    Lane::start(|| {
        let poller = Poller::builder().build().unwrap();
        current_thread().block_on(async {
            use std::os::fd::AsFd;
            netpoller::driver::tokio::attach(&poller).unwrap();
            let (socket, _peer) = std_unix::UnixStream::pair().unwrap();
            let desc = poller.open(socket.as_fd(), Kind::Unix).unwrap();
            desc.set_deadline(past(), Sides::Both);
            let turns = Arc::<AtomicUsize>::default();
            tokio::spawn(count(turns.clone(), Arc::default()));
            for _ in 0..OPERATIONS {
                desc.wait(Direction::Read).await.unwrap_err();
            }
            assert!(turns.load(Ordering::Relaxed) >= TURNS);
        });
    })
    .join();
}

/// Of the kind of tokio#4941: the reader that was called lies in a slot of the worker that the loop
/// keeps busy.
#[test]
fn issue_tokio_4941_a_loop_of_polls_does_not_keep_the_bytes_from_the_reader_that_it_has_called() {
    Lane::start(|| {
        let poller = Poller::builder().build().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .build()
            .unwrap();
        let (ours, peer) = tcp_pair(&poller);
        let ours = Arc::new(ours);
        let spinning = runtime.spawn({
            let ours = ours.clone();
            async move {
                loop {
                    let _ = time::timeout(Duration::ZERO, ours.readable()).await;
                }
            }
        });
        let reading = runtime.spawn({
            let ours = ours.clone();
            async move { ours.read(&mut [0; 1]).await.unwrap() }
        });
        std::thread::sleep(Duration::from_millis(20));
        peer.blocking().write_all(b"x").unwrap();
        assert_eq!(runtime.block_on(reading).unwrap(), 1);
        spinning.abort();

        // The same with a loop that takes no breaks, and a reader on a thread.
        let stop = Arc::<AtomicBool>::default();
        let spinning = runtime.spawn(tokio::task::unconstrained({
            let (ours, stop) = (ours.clone(), stop.clone());
            async move {
                while !stop.load(Ordering::Relaxed) {
                    let _ = time::timeout(Duration::ZERO, ours.readable()).await;
                }
            }
        }));
        let queued = runtime.spawn({
            let ours = ours.clone();
            async move { ours.readable().await.unwrap() }
        });
        std::thread::sleep(Duration::from_millis(20));
        peer.blocking().write_all(b"y").unwrap();
        let reader = Lane::start(move || ours.blocking().read(&mut [0; 1]).unwrap());
        assert_eq!(reader.join(), 1);
        stop.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            spinning.await.unwrap();
            queued.abort();
        });
    })
    .join();
}
