//! smol: async-io and async-executor, on one thread.

use std::io;
use std::net;
use std::time::Duration;

use async_executor::LocalExecutor;
use async_io::{Async, Timer, block_on};
use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt};

use super::{Case, REQUEST, new_socket, rounds};

pub(crate) fn serve(case: Case, connections: Vec<net::TcpStream>) -> io::Result<()> {
    let executor = LocalExecutor::new();
    for connection in connections {
        executor.spawn(echo(case, connection)).detach();
    }
    block_on(executor.run(async {
        if case == Case::Open {
            return rounds::of_opens(|| Async::new(new_socket()?).map(drop));
        }
        rounds::all().await
    }))
}

async fn echo(case: Case, connection: net::TcpStream) -> io::Result<()> {
    let mut stream = Async::new(connection)?;
    let mut buffer = [0; 2 * REQUEST];
    loop {
        let read = stream.read(&mut buffer);
        let count = match case {
            Case::Deadline => {
                let late = async {
                    Timer::after(Duration::from_secs(3600)).await;
                    Err(io::ErrorKind::TimedOut.into())
                };
                read.or(late).await?
            }
            _ => read.await?,
        };
        if count == 0 {
            return Ok(());
        }
        if case != Case::Wait {
            stream.write_all(&buffer[..count]).await?;
        }
        rounds::done();
    }
}
