//! The service of the demo: an echo server as a user would write it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use async_executor::LocalExecutor;
use netpoller::net::{TcpListener, TcpStream};
use netpoller::{block_on, task};

use super::stop::Stop;

/// A byte with which a client asks not to be answered.
pub(crate) const SILENCE: u8 = b'?';

/// Starts the server on a thread of its own; returns where it listens.
pub(crate) fn start(stop: &Arc<Stop>) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let (send, receive) = mpsc::channel();
    let stop = Arc::clone(stop);
    let thread = std::thread::Builder::new()
        .name("demo-service".into())
        .spawn(move || {
            let executor = LocalExecutor::new();
            block_on(executor.run(async {
                let listener = match TcpListener::bind("127.0.0.1:0").and_then(|listener| {
                    listener.set_label("echo");
                    Ok((listener.local_addr()?, listener))
                }) {
                    Ok((addr, listener)) => {
                        // Whoever started us waits for it.
                        let _ = send.send(Ok(addr));
                        listener
                    }
                    Err(error) => {
                        let _ = send.send(Err(error));
                        return;
                    }
                };
                let accept = task::named("accept", accept(&executor, listener));
                futures_lite::future::or(accept, stop.wait()).await;
            }));
        })?;
    match receive.recv() {
        Ok(addr) => Ok((addr?, thread)),
        Err(_) => Err(io::Error::other(
            "the demo service ended before it listened",
        )),
    }
}

async fn accept(executor: &LocalExecutor<'_>, listener: TcpListener) {
    let mut incoming = listener.incoming();
    while let Ok((stream, _)) = incoming.accept().await {
        executor.spawn(task::named("serve", serve(stream))).detach();
    }
}

/// Echoes until the client leaves. A connection that fails concerns nobody else.
async fn serve(stream: TcpStream) -> io::Result<()> {
    stream.set_label("client");
    let mut buf = [0; 2048];
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        if buf[0] != SILENCE {
            stream.write_all(&buf[..n]).await?;
        }
    }
}
