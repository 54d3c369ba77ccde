//! Those that are not tasks of the small executors: blocking threads, a tokio runtime, and who
//! breaks the poll.

use std::io::{self, Read, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use netpoller::{Poller, pipe};

use super::scene::Scene;
use super::streams;
use super::tally::Tally;

type Part = JoinHandle<io::Result<()>>;

fn start(name: &str, part: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Part> {
    thread::Builder::new().name(name.into()).spawn(part)
}

/// A reader and a writer of one pipe after another, both blocking.
pub(super) fn pipe(scene: &Scene) -> io::Result<[Part; 2]> {
    let (ends, next) = std::sync::mpsc::sync_channel::<pipe::PipeReader>(0);
    let scene = scene.clone();
    let tally = scene.tally.clone();
    let write = start("soak-writer", move || {
        while !scene.is_over() {
            let (reader, writer) = pipe::pipe()?;
            if ends.send(reader).is_err() {
                return Err(io::Error::other("the reader has gone"));
            }
            for _ in 0..200 {
                writer.blocking().write_all(&[1; 64])?;
                thread::sleep(Duration::from_millis(2));
                if scene.is_over() {
                    break;
                }
            }
            // Dropped: the reader finds the end.
        }
        Ok(())
    })?;
    let read = start("soak-reader", move || {
        for reader in next {
            let mut buf = [0; 256];
            while reader.blocking().read(&mut buf)? > 0 {
                Tally::count(&tally.piped);
            }
        }
        Ok(())
    })?;
    Ok([write, read])
}

/// As many echo connections in a runtime of tokio's.
pub(super) fn tokio(scene: &Scene, connections: usize) -> io::Result<Part> {
    let scene = scene.clone();
    start("soak-tokio", move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let echoes: Vec<_> = (0..connections)
                .map(|_| tokio::spawn(streams::echo(scene.clone())))
                .collect();
            for echo in echoes {
                echo.await.map_err(io::Error::other)?;
            }
            Ok(())
        })
    })
}

/// Breaks the poll now and then, several times in a row so that some coincide.
pub(super) fn breaks(scene: &Scene) -> io::Result<Part> {
    let scene = scene.clone();
    start("soak-breaks", move || {
        while !scene.is_over() {
            for _ in 0..3 {
                Poller::global().wake()?;
                Tally::count(&scene.tally.breaks);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    })
}
