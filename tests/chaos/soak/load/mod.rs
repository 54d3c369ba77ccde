//! The load: threads of every kind on the global poller, a runtime of tokio's on its own, and what
//! they count.
//!
//! | file | what it does |
//! |---|---|
//! | `streams` | TCP connections: echo, churn, cut off, reset |
//! | `deadlines` | deadlines that fire, move and go; datagrams |
//! | `threads` | blocking threads, pipes, breaks |
//! | `scene` | what all of them share |
//! | `tally` | what has happened |

mod deadlines;
mod scene;
mod streams;
mod tally;
mod threads;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use async_executor::LocalExecutor;
use netpoller::net::TcpListener;
use netpoller::{block_on, task, time};

use scene::Scene;
pub(crate) use tally::{Done, Tally};

/// The load as it runs.
pub(crate) struct Load {
    scene: Scene,
    server: JoinHandle<io::Result<()>>,
    /// The server goes on until its clients have ended: none of them is to be hung up on.
    stop_server: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Load {
    /// Starts it with about `clients` clients.
    pub(crate) fn start(clients: usize) -> io::Result<Self> {
        let stop_server = Arc::new(AtomicBool::new(false));
        let (addr, server) = serve(&stop_server)?;
        let scene = Scene {
            server: addr,
            tally: Arc::default(),
            stop: Arc::default(),
        };
        let mut threads = Vec::new();
        // Of ten clients: five echo, and one each churns, is cut off, is reset, times out, moves
        // deadlines.
        let share = (clients / 10).max(1);
        threads.push(executor("soak-streams", &scene, move |scene, executor| {
            for _ in 0..share * 4 {
                executor
                    .spawn(task::named("echo", streams::echo(scene.clone())))
                    .detach();
            }
            for _ in 0..share {
                executor
                    .spawn(task::named("churn", streams::churn(scene.clone())))
                    .detach();
                executor
                    .spawn(task::named("cut-off", streams::cut_off(scene.clone())))
                    .detach();
                executor
                    .spawn(task::named("reset", streams::reset(scene.clone())))
                    .detach();
            }
        })?);
        threads.push(executor(
            "soak-deadlines",
            &scene,
            move |scene, executor| {
                for _ in 0..share {
                    executor
                        .spawn(task::named("time-out", deadlines::time_out(scene.clone())))
                        .detach();
                    executor
                        .spawn(task::named("move", deadlines::keep_moving(scene.clone())))
                        .detach();
                    executor
                        .spawn(task::named(
                            "datagrams",
                            deadlines::datagrams(scene.clone()),
                        ))
                        .detach();
                }
            },
        )?);
        threads.push(threads::tokio(&scene, share)?);
        for _ in 0..2 {
            threads.extend(threads::pipe(&scene)?);
        }
        threads.push(threads::breaks(&scene)?);
        Ok(Self {
            scene,
            server,
            stop_server,
            threads,
        })
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.scene.tally
    }

    /// Why a part of the load has ended before its time, if one has.
    pub(crate) fn failed(&self) -> Option<io::Error> {
        let mut all = self.threads.iter().chain([&self.server]);
        let ended = all.find(|thread| thread.is_finished())?;
        let name = ended.thread().name().unwrap_or("a thread");
        Some(io::Error::other(format!("{name} ended before its time")))
    }

    /// Ends it and waits for all of it.
    pub(crate) fn finish(self) -> io::Result<Done> {
        self.scene.stop.store(true, Ordering::Relaxed);
        let server = std::iter::once_with(|| {
            self.stop_server.store(true, Ordering::Relaxed);
            self.server
        });
        for thread in self.threads.into_iter().chain(server) {
            let name = thread.thread().name().unwrap_or("a thread").to_owned();
            thread
                .join()
                .map_err(|_| io::Error::other(format!("{name} panicked")))??;
        }
        Ok(Done::read(&self.scene.tally))
    }
}

/// A thread that runs the tasks that `spawn` puts on it until the end.
fn executor(
    name: &str,
    scene: &Scene,
    spawn: impl FnOnce(&Scene, &LocalExecutor<'static>) + Send + 'static,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let scene = scene.clone();
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || {
            let executor = LocalExecutor::new();
            spawn(&scene, &executor);
            block_on(executor.run(over(&scene.stop)));
            Ok(())
        })
}

/// Ends with the load. Looked at ten times a second: nobody has to be told.
async fn over(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        time::sleep(Duration::from_millis(100)).await;
    }
}

/// Starts the echo server that the streams talk to.
fn serve(stop: &Arc<AtomicBool>) -> io::Result<(SocketAddr, JoinHandle<io::Result<()>>)> {
    let (send, receive) = mpsc::channel();
    let stop = Arc::clone(stop);
    let thread = std::thread::Builder::new()
        .name("soak-server".into())
        .spawn(move || {
            let executor = LocalExecutor::new();
            block_on(executor.run(async {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let _ = send.send(listener.local_addr()?);
                let accept = async {
                    let mut incoming = listener.incoming();
                    loop {
                        let (stream, _) = incoming.accept().await?;
                        executor
                            .spawn(task::named("serve", streams::serve(stream)))
                            .detach();
                    }
                };
                let ended = async {
                    over(&stop).await;
                    Ok(())
                };
                futures_lite::future::or(accept, ended).await
            }))
        })?;
    match receive.recv() {
        Ok(addr) => Ok((addr, thread)),
        Err(_) => Err(match thread.join() {
            Ok(Err(error)) => error,
            _ => io::Error::other("the server ended before it listened"),
        }),
    }
}
