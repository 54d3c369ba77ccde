//! Faults that are a matter of how often.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_executor::LocalExecutor;
use netpoller::driver::ThreadDriver;
use netpoller::net::TcpStream;
use netpoller::pollable::Pollable;
use netpoller::{Direction, Kind, Poller, block_on_poller, task};

use super::fault::Fault;
use super::sown::{Plant, tcp_pair, unix_pair};
use crate::verbs::demo::stop::Stop;

/// Wakes a sleeping poller again and again, for nothing.
pub(super) fn wake_storm(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let driver = ThreadDriver::start(&poller)?;
    Plant::keeping(driver).thread(fault, move || {
        while !stop.is_set() {
            let _ = poller.wake();
            std::thread::sleep(Duration::from_micros(100));
        }
    })
}

/// Four readers, each with a duplicate of the same socket: all are woken for bytes that one of them
/// takes.
pub(super) fn spurious_ratio(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let poller = fault.poller()?;
    let (receiver, mut sender) = tcp_pair()?;
    sender.set_nodelay(true)?;
    sender.set_nonblocking(true)?;
    let mut readers = Vec::new();
    for _ in 0..4 {
        let duplicate = receiver.try_clone()?;
        let reader = poller.in_scope(|| TcpStream::from_std(duplicate))?;
        reader.set_label(&fault.label());
        readers.push(reader);
    }
    let (reading, sending) = (Arc::clone(stop), Arc::clone(stop));
    Plant::default()
        .thread(fault, move || {
            let executor = LocalExecutor::new();
            for reader in &readers {
                let read = async {
                    let mut buf = [0; 64];
                    while reader.read(&mut buf).await.is_ok_and(|bytes| bytes > 0) {}
                };
                executor.spawn(task::named("greedy", read)).detach();
            }
            block_on_poller(&poller, executor.run(reading.wait()));
        })?
        .thread(fault, move || {
            while !sending.is_set() {
                let _ = sender.write(b"for one of you");
                std::thread::sleep(Duration::from_millis(1));
            }
        })
}

/// A poller that takes two events at a time, where eight come at once.
pub(super) fn starved_batch(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let poller = Poller::builder()
        .name(fault.poller_name())
        .batch(2)
        .build()?;
    let mut readers = Vec::new();
    let mut writers = Vec::new();
    for _ in 0..8 {
        let (ours, theirs) = unix_pair()?;
        let reader = poller
            .in_scope(|| Pollable::new(ours))
            .map_err(|refused| refused.error)?;
        reader.set_label(&fault.label());
        readers.push(reader);
        writers.push(theirs);
    }
    let (reading, writing) = (Arc::clone(stop), Arc::clone(stop));
    Plant::default()
        .thread(fault, move || {
            let executor = LocalExecutor::new();
            for reader in &readers {
                let read = async {
                    let receive =
                        |mut socket: &std::os::unix::net::UnixStream| socket.read(&mut [0; 64]);
                    while reader.read_with(receive).await.is_ok() {}
                };
                executor.spawn(task::named("starved", read)).detach();
            }
            block_on_poller(&poller, executor.run(reading.wait()));
        })?
        .thread(fault, move || {
            while !writing.is_set() {
                for writer in &mut writers {
                    let _ = writer.write(b"x");
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        })
}

/// A waker that takes its time: nobody polls meanwhile.
#[derive(Default)]
struct SlowWaker {
    called: AtomicBool,
}

impl Wake for SlowWaker {
    fn wake(self: Arc<Self>) {
        std::thread::sleep(Duration::from_millis(5));
        self.called.store(true, Ordering::Release);
    }
}

/// Does its work inside of a waker.
pub(super) fn slow_dispatch(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let driver = ThreadDriver::start(&poller)?;
    let (ours, mut theirs) = unix_pair()?;
    Plant::keeping(driver).thread(fault, move || {
        let Ok(desc) = poller.open(ours.as_fd(), Kind::Unix) else {
            return;
        };
        desc.set_label(&fault.label());
        while !stop.is_set() {
            let slow = Arc::new(SlowWaker::default());
            let waker = Waker::from(Arc::clone(&slow));
            let _ = desc.reset(Direction::Read);
            let _ = (&ours).read(&mut [0; 64]);
            let mut wait = pin!(desc.wait(Direction::Read));
            if wait.as_mut().poll(&mut Context::from_waker(&waker)) != Poll::Pending {
                continue;
            }
            let _ = theirs.write(b"x");
            while !slow.called.load(Ordering::Acquire) && !stop.is_set() {
                std::thread::sleep(Duration::from_micros(500));
            }
        }
    })
}

/// Registers sockets only to close them.
pub(super) fn generation_churn(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    Plant::default().thread(fault, move || {
        while !stop.is_set() {
            for _ in 0..8 {
                let Ok((ours, _theirs)) = unix_pair() else {
                    break;
                };
                if let Ok(desc) = poller.open(ours.as_fd(), Kind::Unix) {
                    desc.set_label(&fault.label());
                    desc.close();
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}
