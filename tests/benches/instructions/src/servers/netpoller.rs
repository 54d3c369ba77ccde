//! netpoller, one server for each driver. What the three do with a connection is the same.

use std::io;
use std::net;
use std::time::{Duration, Instant};

use async_executor::LocalExecutor;
use futures_lite::future;
use netpoller::driver::ThreadDriver;
use netpoller::net::{TcpStream, UnixStream};
use netpoller::{Poller, block_on};

use super::{Case, REQUEST, new_socket, rounds};

/// Tasks in tokio's current-thread runtime: the poller is nested in tokio's own.
pub(crate) fn tokio(case: Case, connections: Vec<net::TcpStream>) -> io::Result<()> {
    let mut builder = ::tokio::runtime::Builder::new_current_thread();
    builder.enable_io().build()?.block_on(async {
        for connection in connections {
            ::tokio::spawn(serve(case, connection));
        }
        run(case).await
    })
}

/// Tasks on a small executor inside `block_on`: the thread polls when it has nothing to run.
pub(crate) fn inline(case: Case, connections: Vec<net::TcpStream>) -> io::Result<()> {
    let executor = LocalExecutor::new();
    for connection in connections {
        executor.spawn(serve(case, connection)).detach();
    }
    block_on(executor.run(run(case)))
}

/// Tasks on an executor that cannot poll, and a thread that does.
pub(crate) fn thread(case: Case, connections: Vec<net::TcpStream>) -> io::Result<()> {
    let _driver = ThreadDriver::start(Poller::global())?;
    let executor = LocalExecutor::new();
    for connection in connections {
        executor.spawn(serve(case, connection)).detach();
    }
    future::block_on(executor.run(run(case)))
}

async fn run(case: Case) -> io::Result<()> {
    if case == Case::Open {
        return rounds::of_opens(|| {
            UnixStream::from_std(new_socket()?)?;
            Ok(())
        });
    }
    rounds::all().await
}

async fn serve(case: Case, connection: net::TcpStream) -> io::Result<()> {
    let stream = TcpStream::from_std(connection)?;
    let mut buffer = [0; 2 * REQUEST];
    loop {
        if case == Case::Deadline {
            stream.set_read_deadline(Some(Instant::now() + Duration::from_secs(3600)))?;
        }
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if case != Case::Wait {
            stream.write_all(&buffer[..count]).await?;
        }
        rounds::done();
    }
}
