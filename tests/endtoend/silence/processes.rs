//! What is done to the whole process: it is stopped, suspended, or kept from running.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use netpoller::pollable::Pollable;
use netpoller::{Poller, task, time};
use netpoller_tests::program::Killed;
use netpoller_tests::{new_poller, tcp_pair};

use super::{Service, silent, silent_but_late};

/// A service that answers itself all the while, and hears from another process.
pub(super) fn busy(poller: &Poller, niceness: i32) -> Service {
    let pairs: Vec<_> = (0..10).map(|_| tcp_pair(poller)).collect();
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let talks = Command::new("sh")
        .args(["-c", "while sleep 0.02; do echo x; done"])
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let talks = Killed(talks);
    let hears = poller.in_scope(|| Pollable::new(ours)).ok().unwrap();
    Service::start(
        poller,
        Box::new(move |executor| {
            // Of this thread, as Linux understands it.
            rustix::process::setpriority_process(None, niceness).unwrap();
            let listens = async move {
                let _talks = talks;
                let read = |mut from: &UnixStream| from.read(&mut [0; 64]);
                while hears.read_with(read).await.is_ok_and(|count| count > 0) {}
            };
            executor.spawn(task::named("listens", listens)).detach();
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
                        theirs.write_all(b"question").await.unwrap();
                        theirs.read(&mut [0; 64]).await.unwrap();
                        time::sleep(Duration::from_millis(20)).await;
                    }
                };
                executor.spawn(task::named("asks", asks)).detach();
            }
        }),
    )
}

/// Somebody who stops this process again and again for `stopped`, and lets it run for `runs`.
pub(super) fn stopper(stopped: Duration, runs: Duration) -> Killed {
    let (me, stopped, runs) = (
        std::process::id(),
        stopped.as_secs_f64(),
        runs.as_secs_f64(),
    );
    let script = format!(
        "while sleep {runs}; do kill -STOP {me}; sleep {stopped}; kill -CONT {me} || exit; done"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    // Whoever waits for this process to say nothing more must not wait for that one.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Killed(command.spawn().unwrap())
}

#[test]
fn a_process_that_was_stopped_and_goes_on_is_no_fault() {
    let name = "processes::a_process_that_was_stopped_and_goes_on_is_no_fault";
    silent(name, |pace| {
        let service = busy(&new_poller(), 0);
        Box::new((stopper(pace.of(20.0), pace.of(10.0)), service))
    });
}

#[test]
fn a_process_in_a_debugger_that_steps_is_no_fault() {
    let name = "processes::a_process_in_a_debugger_that_steps_is_no_fault";
    silent(name, |pace| {
        let service = busy(&new_poller(), 0);
        Box::new((stopper(pace.of(3.0), pace.of(1.0)), service))
    });
}

#[test]
fn a_machine_that_was_suspended_is_no_fault() {
    let name = "processes::a_machine_that_was_suspended_is_no_fault";
    silent(name, |pace| {
        // All who talk to each other stand still, as everything does.
        let poller = new_poller();
        let pairs: Vec<_> = (0..10).map(|_| tcp_pair(&poller)).collect();
        let service = Service::start(
            &poller,
            Box::new(|executor| {
                for (ours, theirs) in pairs {
                    let talks = async move {
                        loop {
                            ours.write_all(b"x").await.unwrap();
                            theirs.read(&mut [0; 64]).await.unwrap();
                            time::sleep(Duration::from_millis(10)).await;
                        }
                    };
                    executor.spawn(task::named("talks", talks)).detach();
                }
            }),
        );
        Box::new((stopper(pace.of(45.0), pace.of(5.0)), service))
    });
}

#[test]
fn a_service_of_low_priority_beside_others_that_compute_is_no_fault() {
    let name = "processes::a_service_of_low_priority_beside_others_that_compute_is_no_fault";
    silent_but_late(name, |_| {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..cores + 1 {
            std::thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            });
        }
        Box::new(busy(&new_poller(), 19))
    });
}
