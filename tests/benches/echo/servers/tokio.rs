//! Tokio as its tutorial uses it: one spawned task per connection, in a runtime of one thread, and
//! in one of several.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt};
use ::tokio::net::{TcpListener, TcpStream, UnixDatagram};
use ::tokio::runtime::Builder;
use ::tokio::time::timeout;

use super::{BUFFER, Kind, Options, THREADS};

pub(crate) const KIND: Kind = Kind {
    name: "tokio",
    serve,
};

/// The same with the runtime that `#[tokio::main]` makes, of several threads.
pub(crate) const WORKERS: Kind = Kind {
    name: "tokio-workers",
    serve: |listener, options| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS);
        serve_in(builder, listener, options)
    },
};

/// The same with console-subscriber, as its documentation starts it.
#[cfg(tokio_unstable)]
pub(crate) const CONSOLE: Kind = Kind {
    name: "tokio-console",
    serve: |listener, options| {
        console_subscriber::ConsoleLayer::builder()
            .server_addr((std::net::Ipv4Addr::LOCALHOST, 0))
            .init();
        serve(listener, options)
    },
};

fn serve(listener: std::net::TcpListener, options: &Options) -> io::Result<Infallible> {
    serve_in(Builder::new_current_thread(), listener, options)
}

fn serve_in(
    mut builder: Builder,
    listener: std::net::TcpListener,
    options: &Options,
) -> io::Result<Infallible> {
    builder.enable_io();
    // The time driver costs something on every park; a server without deadlines does not need it.
    if options.read_deadline.is_some() {
        builder.enable_time();
    }
    builder.build()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        for _ in 0..options.idle {
            let never = UnixDatagram::unbound()?;
            ::tokio::spawn(async move { never.recv(&mut [0]).await });
        }
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            ::tokio::spawn(echo(stream, options.read_deadline));
        }
    })
}

async fn echo(mut stream: TcpStream, read_deadline: Option<Duration>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match read_deadline {
            None => stream.read(&mut buffer).await?,
            Some(limit) => timeout(limit, stream.read(&mut buffer)).await??,
        };
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
