//! Connections that come and go, of which nothing is told: so numbers of descriptors, and the
//! runtime's memory of them, are used again and again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::runtime::Runtime;
use crate::waiter::eventually;

/// Between two connections of one task.
const BETWEEN: Duration = Duration::from_millis(1);

/// What all of it has in common.
#[derive(Default)]
struct Shared {
    /// Each step is done with a part of this, so that it can be stopped in between.
    gate: RwLock<()>,
    wanted: AtomicUsize,
    running: AtomicUsize,
    /// Tasks that answer.
    answering: AtomicUsize,
}

/// Counts a task as long as that has it.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.answering.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
pub struct Churn {
    shared: Arc<Shared>,
    address: Option<SocketAddr>,
}

impl Churn {
    /// Stops it until that is dropped.
    pub fn stop(&self) -> Stopped<'_> {
        Stopped {
            _gate: self.shared.gate.blocking_write(),
        }
    }

    /// Tasks that there are of it.
    pub fn tasks(&self) -> usize {
        self.shared.running.load(Ordering::SeqCst) + self.shared.answering.load(Ordering::SeqCst)
    }

    /// Lets so many tasks open, use and close connections from now on.
    pub fn become_of(&mut self, count: usize, runtime: &Runtime) -> Result<(), String> {
        let address = match self.address {
            Some(address) => address,
            None => {
                let listener = runtime.handle().block_on(TcpListener::bind("127.0.0.1:0"));
                let listener = listener.map_err(|error| error.to_string())?;
                let address = listener.local_addr().map_err(|error| error.to_string())?;
                let counted = Counted::new(&self.shared);
                runtime.spawn_and_forget(answer_all(listener, runtime.clone(), counted));
                *self.address.insert(address)
            }
        };
        let shared = &self.shared;
        shared.wanted.store(count, Ordering::SeqCst);
        while shared.running.load(Ordering::SeqCst) < count {
            let number = shared.running.fetch_add(1, Ordering::SeqCst);
            runtime.spawn_and_forget(work(Arc::clone(shared), number, address));
        }
        // The one that accepts stays.
        eventually(|| shared.running.load(Ordering::SeqCst) == count)?;
        eventually(|| count > 0 || shared.answering.load(Ordering::SeqCst) == 1)
    }
}

/// While this is held, no step begins, and none is under way.
pub struct Stopped<'a> {
    _gate: RwLockWriteGuard<'a, ()>,
}

/// Opens and closes connections until fewer are wanted.
async fn work(shared: Arc<Shared>, number: usize, address: SocketAddr) {
    let mut round = 0;
    while number < shared.wanted.load(Ordering::SeqCst) {
        round += 1;
        // As fast as it can, it would keep a processor from the rest.
        tokio::time::sleep(BETWEEN).await;
        if once(&shared, address, (number + round) % 8).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
    shared.running.fetch_sub(1, Ordering::SeqCst);
}

async fn once(shared: &Shared, address: SocketAddr, requests: usize) -> io::Result<()> {
    let step = shared.gate.read().await;
    let mut stream = TcpStream::connect(address).await?;
    // No port is left behind that waits for its time to pass.
    #[allow(deprecated)]
    stream.set_linger(Some(Duration::ZERO))?;
    drop(step);
    let mut buffer = [0; 256];
    for size in 0..requests {
        let _step = shared.gate.read().await;
        stream.write_all(&buffer[..=size]).await?;
        stream.read_exact(&mut buffer[..=size]).await?;
    }
    let _step = shared.gate.read().await;
    drop(stream);
    Ok(())
}

async fn answer_all(listener: TcpListener, runtime: Runtime, all: Counted) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            runtime.spawn_and_forget(answer(stream, Counted::new(&all.0)));
        }
    }
}

async fn answer(mut stream: TcpStream, _counted: Counted) {
    let mut buffer = [0; 256];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
