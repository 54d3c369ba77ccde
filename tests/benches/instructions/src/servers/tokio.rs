//! tokio as its tutorial uses it, in the current-thread runtime.

use std::io;
use std::net;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::{Case, REQUEST, new_socket, rounds};

pub(crate) fn serve(case: Case, connections: Vec<net::TcpStream>) -> io::Result<()> {
    let mut builder = Builder::new_current_thread();
    builder.enable_io();
    // The time driver costs something on every park; a server without deadlines does not need it.
    if case == Case::Deadline {
        builder.enable_time();
    }
    builder.build()?.block_on(async {
        for connection in connections {
            tokio::spawn(echo(case, connection));
        }
        if case == Case::Open {
            return rounds::of_opens(|| UnixStream::from_std(new_socket()?).map(drop));
        }
        rounds::all().await
    })
}

async fn echo(case: Case, connection: net::TcpStream) -> io::Result<()> {
    connection.set_nonblocking(true)?;
    let mut stream = TcpStream::from_std(connection)?;
    let mut buffer = [0; 2 * REQUEST];
    loop {
        let count = match case {
            Case::Deadline => {
                timeout(Duration::from_secs(3600), stream.read(&mut buffer)).await??
            }
            _ => stream.read(&mut buffer).await?,
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
