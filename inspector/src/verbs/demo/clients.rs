//! The clients of the demo: quick, slow, stuck, churning and timing out.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use futures_lite::future;
use netpoller::net::TcpStream;
use netpoller::time::sleep;
use netpoller::{Error, block_on, task};

use super::service::SILENCE;
use super::stop::Stop;
use super::tally::Tally;

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// A request every few milliseconds.
    Quick,
    /// A byte, a long pause, a byte.
    Slow,
    /// Connects, says something, and is never heard of again.
    Stuck,
    /// Some requests, then another task closes the connection that it still reads from or writes
    /// to; then a new one.
    Churning,
    /// Asks what is never answered, with a deadline.
    TimingOut,
}

impl Manner {
    /// The manner of client number `index`: of ten, five are quick, two slow, and one each stuck,
    /// churning and timing out.
    pub(crate) fn of(index: usize) -> Manner {
        match index % 10 {
            0..5 => Manner::Quick,
            5 | 6 => Manner::Slow,
            7 => Manner::Stuck,
            8 => Manner::Churning,
            _ => Manner::TimingOut,
        }
    }

    /// Name of the task, as the waiters' table shows it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Manner::Quick => "quick",
            Manner::Slow => "slow",
            Manner::Stuck => "stuck",
            Manner::Churning => "churning",
            Manner::TimingOut => "timing-out",
        }
    }
}

/// Starts `count` clients of the server at `addr`, on a thread of their own.
pub(crate) fn start(
    addr: SocketAddr,
    count: usize,
    tally: &Arc<Tally>,
    stop: &Arc<Stop>,
) -> io::Result<JoinHandle<()>> {
    let (tally, stop) = (Arc::clone(tally), Arc::clone(stop));
    std::thread::Builder::new()
        .name("demo-clients".into())
        .spawn(move || {
            let executor = LocalExecutor::new();
            block_on(executor.run(async {
                for index in 0..count {
                    let manner = Manner::of(index);
                    let client = Client {
                        addr,
                        index,
                        tally: &tally,
                    };
                    executor
                        .spawn(task::named(manner.name(), client.live(manner)))
                        .detach();
                    // Not all in one instant: the listener's queue is finite.
                    if index % 64 == 63 {
                        sleep(Duration::from_millis(5)).await;
                    }
                }
                stop.wait().await;
            }));
        })
}

#[derive(Clone, Copy)]
struct Client<'a> {
    addr: SocketAddr,
    index: usize,
    tally: &'a Tally,
}

impl Client<'_> {
    /// Lives as its manner says, again and again; after an error it rests a moment.
    async fn live(self, manner: Manner) {
        loop {
            let outcome = match manner {
                Manner::Quick => self.quick().await,
                Manner::Slow => self.slow().await,
                Manner::Stuck => self.stuck().await,
                Manner::Churning => self.churn().await,
                Manner::TimingOut => self.time_out().await,
            };
            if outcome.is_err() {
                Tally::count(&self.tally.errors);
                sleep(Duration::from_millis(500)).await;
            }
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let stream = TcpStream::connect_by(self.addr, deadline).await?;
        Tally::count(&self.tally.connects);
        Ok(stream)
    }

    /// Sends `message` and waits for it to come back, for 10 s at most.
    async fn request(&self, stream: &TcpStream, message: &[u8]) -> io::Result<()> {
        let began = Instant::now();
        stream.set_read_deadline(Some(began + Duration::from_secs(10)))?;
        stream.write_all(message).await?;
        let mut answer = [0; 1024];
        let mut received = 0;
        while received < message.len() {
            match stream.read(&mut answer[received..message.len()]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => received += n,
            }
        }
        if answer[..received] != *message {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the echo differs",
            ));
        }
        self.tally.answered(began.elapsed());
        Ok(())
    }

    /// A pause of about `millis`, different for each client so that they do not march in step.
    async fn pause(&self, millis: u64) {
        sleep(Duration::from_micros(
            millis * 1000 + self.index as u64 * 97 % 1000 * millis,
        ))
        .await;
    }

    async fn quick(&self) -> io::Result<()> {
        let stream = self.connect().await?;
        let message = [b'q'; 256];
        loop {
            self.request(&stream, &message).await?;
            self.pause(10).await;
        }
    }

    async fn slow(&self) -> io::Result<()> {
        let stream = self.connect().await?;
        loop {
            self.request(&stream, b"s").await?;
            self.pause(700).await;
        }
    }

    async fn stuck(&self) -> io::Result<()> {
        let stream = self.connect().await?;
        stream.write_all(&[SILENCE]).await?;
        // Nobody will ever answer; nobody set a deadline. This is what the waiters' table is for.
        stream.read(&mut [0; 1]).await?;
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    async fn churn(&self) -> io::Result<()> {
        for life in 0_u64.. {
            let stream = self.connect().await?;
            for _ in 0..5 {
                self.request(&stream, b"churn").await?;
                self.pause(20).await;
            }
            // Filling the buffers of a connection takes much writing, so not each time.
            if life.is_multiple_of(16) {
                self.cut_off_writing(&stream).await?;
            } else {
                self.cut_off_reading(&stream).await?;
            }
        }
        Ok(())
    }

    /// Reads what never comes, for longer than was meant at first, until the stream is closed by
    /// another task.
    async fn cut_off_reading(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_deadline(Some(Instant::now() + Duration::from_millis(50)))?;
        let read = async { stream.read(&mut [0; 1]).await.map(drop) };
        let close = async {
            sleep(Duration::from_millis(5)).await;
            stream.set_read_deadline(Some(Instant::now() + Duration::from_secs(10)))?;
            // Beyond the first deadline, which must not fire any more.
            self.pause(80).await;
            close(stream).await
        };
        self.cut_off(read, close).await
    }

    /// Writes and never reads until nothing more fits and the deadline is over, then until the
    /// stream is closed by another task.
    async fn cut_off_writing(&self, stream: &TcpStream) -> io::Result<()> {
        let message = vec![b'w'; 64 * 1024];
        let fill = async {
            loop {
                stream.write_all(&message).await?;
            }
        };
        stream.set_write_deadline(Some(Instant::now() + Duration::from_millis(100)))?;
        let Err::<(), io::Error>(error) = fill.await else {
            return Ok(());
        };
        if error.kind() != io::ErrorKind::TimedOut {
            return Err(error);
        }
        Tally::count(&self.tally.timeouts);
        stream.set_write_deadline(None)?;
        let write = async {
            loop {
                stream.write_all(&message).await?;
            }
        };
        let close = async {
            self.pause(20).await;
            close(stream).await
        };
        self.cut_off(write, close).await
    }

    /// Both at once; the operation must end because the stream is closed, which counts as no error.
    async fn cut_off(
        &self,
        operation: impl Future<Output = io::Result<()>>,
        close: impl Future<Output = io::Result<()>>,
    ) -> io::Result<()> {
        let (ended, closed) = future::zip(
            task::named("cut-off", operation),
            task::named("closing", close),
        )
        .await;
        closed?;
        match ended {
            Err(error) if Error::of(&error) == Some(Error::Closed) => {
                Tally::count(&self.tally.cut_off);
                Ok(())
            }
            // On a busy machine the first deadline may be over before it is moved.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Tally::count(&self.tally.timeouts);
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an answer nobody asked for",
            )),
        }
    }

    async fn time_out(&self) -> io::Result<()> {
        let stream = self.connect().await?;
        loop {
            stream.write_all(&[SILENCE]).await?;
            stream.set_read_deadline(Some(Instant::now() + Duration::from_millis(250)))?;
            match stream.read(&mut [0; 64]).await {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    Tally::count(&self.tally.timeouts)
                }
                Err(error) => return Err(error),
                Ok(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "an answer nobody asked for",
                    ));
                }
            }
        }
    }
}

/// Closes it for all who use it, and waits until they have let go.
async fn close(stream: &TcpStream) -> io::Result<()> {
    stream.close()?.await;
    Ok(())
}
