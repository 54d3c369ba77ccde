//! Deadlines that fire, are moved and are cleared; datagrams.

use std::io;
use std::time::{Duration, Instant};

use futures_lite::future;
use netpoller::net::{UdpSocket, UnixStream};
use netpoller::time;

use super::scene::Scene;
use super::tally::Tally;

/// A read that times out, never early.
pub(super) async fn time_out(scene: Scene) {
    let mut millis = 1;
    while !scene.is_over() {
        let once = async {
            let (stream, _peer) = UnixStream::pair()?;
            millis = millis % 50 + 1;
            let deadline = Instant::now() + Duration::from_millis(millis);
            stream.set_read_deadline(Some(deadline))?;
            fires(&scene, deadline, stream.read(&mut [0; 1]).await)
        };
        scene.note("time out", once.await).await;
    }
}

/// A read whose deadline is moved later, cleared and moved earlier while it waits, and then fires.
pub(super) async fn keep_moving(scene: Scene) {
    while !scene.is_over() {
        let once = async {
            let (stream, _peer) = UnixStream::pair()?;
            stream.set_read_deadline(Some(Instant::now() + Duration::from_secs(1)))?;
            let read = async { stream.read(&mut [0; 1]).await };
            let moving = async {
                let far = Instant::now() + Duration::from_secs(3600);
                let near = Instant::now() + Duration::from_millis(30);
                for deadline in [Some(far), None, Some(far), Some(near)] {
                    stream.set_read_deadline(deadline)?;
                    Tally::count(&scene.tally.moved);
                    time::sleep(Duration::from_millis(3)).await;
                }
                Ok::<_, io::Error>(near)
            };
            let (ended, moved) = future::zip(read, moving).await;
            fires(&scene, moved?, ended)
        };
        scene.note("move", once.await).await;
    }
}

fn fires(scene: &Scene, deadline: Instant, ended: io::Result<usize>) -> io::Result<()> {
    let early = deadline.saturating_duration_since(Instant::now());
    match ended {
        Err(error) if error.kind() == io::ErrorKind::TimedOut && early.is_zero() => {
            Tally::count(&scene.tally.timeouts);
            Ok(())
        }
        other => Err(io::Error::other(format!(
            "a deadline ended with {other:?}, {early:?} before its time"
        ))),
    }
}

/// Two sockets that send to each other. Loopback may drop a datagram; then the reader's deadline
/// lets it go on.
pub(super) async fn datagrams(scene: Scene) {
    while !scene.is_over() {
        let once = async {
            let (here, there) = (
                UdpSocket::bind("127.0.0.1:0")?,
                UdpSocket::bind("127.0.0.1:0")?,
            );
            let to = there.local_addr()?;
            for _ in 0..100 {
                here.send_to(&[7; 32], to).await?;
                there.set_read_deadline(Some(Instant::now() + Duration::from_secs(5)))?;
                match there.recv_from(&mut [0; 64]).await {
                    Ok((32, _)) => Tally::count(&scene.tally.datagrams),
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                    other => {
                        return Err(io::Error::other(format!("a datagram ended with {other:?}")));
                    }
                }
                time::sleep(Duration::from_millis(5)).await;
                if scene.is_over() {
                    break;
                }
            }
            Ok(())
        };
        scene.note("datagrams", once.await).await;
    }
}
