//! Faults that keep somebody waiting.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use futures_lite::future;
use netpoller::net::TcpStream;
use netpoller::{Direction, Kind, Sides, block_on_poller, task};

use super::fault::Fault;
use super::sown::{Plant, Registered, tcp_pair};
use crate::verbs::demo::stop::Stop;

/// Reads a part of what is there, and waits for more: the edge that told of the rest has been used
/// up.
pub(super) fn stuck_waiter(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, mut theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    let registered = Registered { desc, file: ours };
    theirs.write_all(b"more than is read")?;
    Plant::keeping(theirs).thread(fault, move || {
        let registered = registered;
        let Registered { desc, file } = &registered;
        let reader = task::named("stuck-reader", async {
            if desc.wait(Direction::Read).await.is_ok() {
                let _ = (&*file).read(&mut [0; 4]);
                // Wrong: the read did not say EAGAIN.
                while desc.wait(Direction::Read).await.is_ok() {}
            }
            stop.wait().await;
        });
        block_on_poller(&poller, future::or(reader, stop.wait()));
    })
}

/// Waits, loses its registration to somebody with epoll_ctl, and then data comes.
pub(super) fn lost_edge(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, mut theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    let registered = Registered { desc, file: ours };
    Plant::default().thread(fault, move || {
        let registered = registered;
        let Registered { desc, file } = &registered;
        let reader = task::named("lost-reader", async {
            let _ = desc.wait(Direction::Read).await;
            stop.wait().await;
        });
        // Polled after the reader, which is parked by then.
        let saboteur = async {
            let _ = rustix::event::epoll::delete(&poller, file);
            let _ = theirs.write_all(b"unheard of");
            stop.wait().await;
        };
        block_on_poller(&poller, future::or(reader, saboteur));
    })
}

/// Data comes for a descriptor that nobody reads any more; somebody polls all the same.
pub(super) fn leaked_readiness(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, mut theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    theirs.write_all(b"never read")?;
    let registered = Registered { desc, file: ours };
    Plant::keeping(theirs).thread(fault, move || {
        block_on_poller(&poller, stop.wait());
        drop(registered);
    })
}

/// Takes its bytes, and computes from then on; the reader beside it never hears of its own.
pub(super) fn blocked_executor(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let mut pairs = Vec::new();
    for _ in 0..2 {
        let (ours, theirs) = tcp_pair()?;
        let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
        desc.set_label(&fault.label());
        pairs.push((Registered { desc, file: ours }, theirs));
    }
    Plant::default().thread(fault, move || {
        let executor = LocalExecutor::new();
        let [(hog, to_hog), (reader, to_reader)] = &mut pairs[..] else {
            return;
        };
        let hogs = task::named("hog", async {
            let _ = hog.desc.wait(Direction::Read).await;
            let _ = to_reader.write_all(b"unheard of");
            // Wrong: nobody else runs on this thread meanwhile, and nobody polls.
            while !stop.is_set() {
                std::hint::spin_loop();
            }
        });
        let reads = task::named("hogged-reader", async {
            let _ = reader.desc.wait(Direction::Read).await;
        });
        let _ = to_hog.write_all(b"begin");
        let (hogs, reads) = (executor.spawn(hogs), executor.spawn(reads));
        block_on_poller(&poller, executor.run(stop.wait()));
        drop((hogs, reads));
    })
}

/// Reads what comes all the time, on a thread that hardly ever gets the processor.
pub(super) fn thread_starved(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, reading) = (fault.poller()?, Arc::clone(stop));
    let (ours, mut theirs) = tcp_pair()?;
    theirs.set_nonblocking(true)?;
    let stream = poller.in_scope(|| TcpStream::from_std(ours))?;
    stream.set_label(&fault.label());
    let mut plant = Plant::default().thread(fault, move || {
        let _ = share_one_processor();
        let _ = rustix::process::setpriority_process(None, 19);
        let reads = task::named("starved-reader", async {
            while stream.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
        });
        block_on_poller(&poller, future::or(reads, reading.wait()));
    })?;
    for _ in 0..3 {
        let stop = Arc::clone(stop);
        plant = plant.thread(fault, move || {
            let _ = share_one_processor();
            // Wrong: whoever reads there has as good as no share of it.
            while !stop.is_set() {
                std::hint::spin_loop();
            }
        })?;
    }
    let stop = Arc::clone(stop);
    plant.thread(fault, move || {
        while !stop.is_set() {
            let _ = theirs.write(b"x");
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}

/// Runs the calling thread on the last of the processors that it may use, and on no other.
fn share_one_processor() -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let may = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| may.is_set(*cpu));
    last.into_iter().for_each(|cpu| only.set(cpu));
    Ok(sched_setaffinity(None, &only)?)
}

/// Reads from a peer that says nothing.
pub(super) fn no_deadline(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    let registered = Registered { desc, file: ours };
    Plant::keeping(theirs).thread(fault, move || {
        let registered = registered;
        let reader = task::named("patient-reader", async {
            let _ = registered.desc.wait(Direction::Read).await;
            stop.wait().await;
        });
        block_on_poller(&poller, future::or(reader, stop.wait()));
    })
}

/// Waits once, and is not polled again when its bytes have come.
pub(super) fn woken_not_run(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, mut theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    let registered = Registered { desc, file: ours };
    Plant::default().thread(fault, move || {
        let registered = registered;
        let mut reader = Box::pin(task::named("kept-reader", async {
            let _ = registered.desc.wait(Direction::Read).await;
        }));
        let keep = async {
            let _ = future::poll_once(&mut reader).await;
            let _ = theirs.write_all(b"for nobody");
            // Wrong: the reader was woken, and nobody polls it.
            stop.wait().await;
        };
        block_on_poller(&poller, keep);
        drop(reader);
    })
}

/// A deadline that nobody polls for.
pub(super) fn overdue_deadline(fault: Fault) -> io::Result<Plant> {
    let poller = fault.poller()?;
    let (ours, theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    desc.set_deadline(
        Some(Instant::now() + Duration::from_millis(10)),
        Sides::Read,
    );
    Ok(Plant::keeping(Registered { desc, file: ours }).and(theirs))
}

/// Waits inside an executor that only parks its thread, and data comes.
pub(super) fn poller_away(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, mut theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    let registered = Registered { desc, file: ours };
    theirs.write_all(b"nobody will know")?;
    Plant::keeping(theirs).thread(fault, move || {
        // The whole of it: a closure takes only the fields that it names.
        let registered = registered;
        let reader = task::named("forsaken-reader", async {
            let _ = registered.desc.wait(Direction::Read).await;
        });
        // Wrong: this one does not poll.
        future::block_on(future::or(reader, stop.wait()));
    })
}
