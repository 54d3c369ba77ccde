//! netpoller, one server for each driver. What the three do with a connection is the same.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

use ::netpoller::driver::ThreadDriver;
use ::netpoller::net::{TcpListener, TcpStream, UnixDatagram};
use ::netpoller::{Poller, block_on};
use async_executor::LocalExecutor;

use super::{BUFFER, Kind, Options, THREADS};

/// Tasks on a small executor inside `block_on`: the thread polls when it has nothing to run.
pub(crate) const INLINE: Kind = Kind {
    name: "netpoller-inline",
    serve: |listener, options| {
        let executor = LocalExecutor::new();
        block_on(executor.run(accept(listener, options, |task| {
            executor.spawn(task).detach();
        })))
    },
};

/// Tasks in tokio's current-thread runtime: the poller is nested in tokio's own.
pub(crate) const TOKIO: Kind = Kind {
    name: "netpoller-tokio",
    serve: |listener, options| {
        in_tokio(
            ::tokio::runtime::Builder::new_current_thread(),
            listener,
            options,
        )
    },
};

/// The same in a runtime with several threads.
pub(crate) const WORKERS: Kind = Kind {
    name: "netpoller-tokio-workers",
    serve: |listener, options| {
        let mut builder = ::tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(THREADS);
        in_tokio(builder, listener, options)
    },
};

fn in_tokio(
    mut builder: ::tokio::runtime::Builder,
    listener: std::net::TcpListener,
    options: &Options,
) -> io::Result<Infallible> {
    let runtime = builder.enable_io().build()?;
    runtime.block_on(accept(listener, options, |task| {
        ::tokio::spawn(task);
    }))
}

/// Tasks on an executor that cannot poll, and a thread that does.
pub(crate) const THREAD: Kind = Kind {
    name: "netpoller-thread",
    serve: |listener, options| {
        let _driver = ThreadDriver::start(Poller::global())?;
        let executor = LocalExecutor::new();
        futures_lite::future::block_on(executor.run(accept(listener, options, |task| {
            executor.spawn(task).detach();
        })))
    },
};

async fn accept(
    listener: std::net::TcpListener,
    options: &Options,
    spawn: impl Fn(Task),
) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    for _ in 0..options.idle {
        let never = UnixDatagram::unbound()?;
        spawn(Box::pin(
            async move { never.recv(&mut [0]).await.map(drop) },
        ));
    }
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn(Box::pin(echo(stream, options.read_deadline)));
    }
}

/// One allocation a connection, as the executors would make it anyway.
type Task = std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

async fn echo(stream: TcpStream, read_deadline: Option<Duration>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        if let Some(limit) = read_deadline {
            stream.set_read_deadline(Some(Instant::now() + limit))?;
        }
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
