//! TCP connections, from both ends.

use std::io;
use std::time::{Duration, Instant};

use futures_lite::future;
use netpoller::net::TcpStream;
use netpoller::{Error, time};

use super::scene::Scene;
use super::tally::Tally;

/// A byte that asks not to be answered.
const SILENCE: u8 = b'?';
/// A byte that asks to be reset.
const RESET: u8 = b'!';

/// Far longer than anything takes, so that a request which is lost is found.
const PATIENCE: Duration = Duration::from_secs(30);

/// Echoes until the client leaves.
pub(super) async fn serve(stream: TcpStream) -> io::Result<()> {
    let mut buf = [0; 1024];
    loop {
        let n = stream.read(&mut buf).await?;
        match buf.first() {
            _ if n == 0 => return Ok(()),
            Some(&SILENCE) => {}
            Some(&RESET) => {
                // With no time to linger, close(2) sends a reset: socket(7).
                stream.set_linger(Some(Duration::ZERO))?;
                return Ok(());
            }
            _ => stream.write_all(&buf[..n]).await?,
        }
    }
}

async fn request(stream: &TcpStream, scene: &Scene) -> io::Result<()> {
    let message = [b'e'; 200];
    stream.set_read_deadline(Some(Instant::now() + PATIENCE))?;
    stream.write_all(&message).await?;
    let mut answer = [0; 200];
    let mut received = 0;
    while received < message.len() {
        match stream.read(&mut answer[received..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => received += n,
        }
    }
    if answer != message {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the echo differs",
        ));
    }
    Tally::count(&scene.tally.requests);
    Ok(())
}

/// One connection for the whole time.
pub(super) async fn echo(scene: Scene) {
    while !scene.is_over() {
        let once = async {
            let stream = TcpStream::connect(scene.server).await?;
            while !scene.is_over() {
                request(&stream, &scene).await?;
                time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        scene.note("echo", once.await).await;
    }
}

/// A new connection for every few requests.
pub(super) async fn churn(scene: Scene) {
    while !scene.is_over() {
        let once = async {
            let stream = TcpStream::connect(scene.server).await?;
            for _ in 0..3 {
                request(&stream, &scene).await?;
            }
            Tally::count(&scene.tally.churned);
            time::sleep(Duration::from_millis(10)).await;
            Ok(())
        };
        scene.note("churn", once.await).await;
    }
}

/// A read that never ends by itself, and somebody else who closes the connection.
pub(super) async fn cut_off(scene: Scene) {
    while !scene.is_over() {
        let once = async {
            let stream = TcpStream::connect(scene.server).await?;
            stream.write_all(&[SILENCE]).await?;
            let read = async { stream.read(&mut [0; 1]).await };
            let close = async {
                time::sleep(Duration::from_millis(20)).await;
                stream.close()?.await;
                Ok::<_, io::Error>(())
            };
            let (ended, closed) = future::zip(read, close).await;
            closed?;
            match ended {
                Err(error) if Error::of(&error) == Some(Error::Closed) => {
                    Tally::count(&scene.tally.cut_off);
                    Ok(())
                }
                other => Err(unexpected("the read of a closed stream", &other)),
            }
        };
        scene.note("cut off", once.await).await;
    }
}

/// A read that ends with a reset.
pub(super) async fn reset(scene: Scene) {
    while !scene.is_over() {
        let once = async {
            let stream = TcpStream::connect(scene.server).await?;
            stream.set_read_deadline(Some(Instant::now() + PATIENCE))?;
            stream.write_all(&[RESET]).await?;
            match stream.read(&mut [0; 1]).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    Tally::count(&scene.tally.resets);
                }
                other => return Err(unexpected("a reset", &other)),
            }
            time::sleep(Duration::from_millis(10)).await;
            Ok(())
        };
        scene.note("reset", once.await).await;
    }
}

fn unexpected(what: &str, ended: &io::Result<usize>) -> io::Error {
    io::Error::other(format!("{what} ended with {ended:?}"))
}
