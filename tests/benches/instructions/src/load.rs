//! The two ends of a run: the server under callgrind, and the load, which is not counted.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use clap::ValueEnum;

use crate::servers::{CONNECTIONS, Case, REQUEST, Server};

/// Serves until stdin ends.
pub(crate) fn serve(what: &[String]) -> io::Result<()> {
    let [case, server] = what else {
        return Err(io::Error::other("--serve takes a case and a server"));
    };
    let case = Case::from_str(case, false).map_err(io::Error::other)?;
    let server = Server::from_str(server, false).map_err(io::Error::other)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let connections: io::Result<Vec<_>> = (0..CONNECTIONS)
        .map(|_| {
            let (connection, _) = listener.accept()?;
            connection.set_nodelay(true)?;
            Ok(connection)
        })
        .collect();
    server.serve()(case, connections?)
}

/// Has `server`, which was started with pipes, serve so many rounds, and waits for its end.
pub(crate) fn rounds(mut server: Child, case: Case, rounds: usize) -> io::Result<()> {
    let ended = || io::Error::other("the server has ended before its time");
    let (Some(mut turn), Some(done)) = (server.stdin.take(), server.stdout.take()) else {
        return Err(ended());
    };
    let mut done = BufReader::new(done);
    let mut address = String::new();
    if done.read_line(&mut address)? == 0 {
        server.wait()?;
        return Err(ended());
    }
    let connections: io::Result<Vec<_>> = (0..CONNECTIONS)
        .map(|_| TcpStream::connect(address.trim()))
        .collect();
    let connections = connections?;
    for _ in 0..rounds {
        if case != Case::Open {
            for mut connection in &connections {
                connection.write_all(&[b'.'; REQUEST])?;
            }
        }
        turn.write_all(b".")?;
        done.read_exact(&mut [0]).map_err(|_| ended())?;
        if matches!(case, Case::Request | Case::Deadline) {
            for mut connection in &connections {
                connection.read_exact(&mut [0; REQUEST])?;
            }
        }
    }
    drop(turn);
    let status = server.wait()?;
    if !status.success() {
        return Err(io::Error::other(format!("the server has failed: {status}")));
    }
    Ok(())
}

/// How a server is started whose rounds are to be counted.
pub(crate) fn pipes(command: &mut std::process::Command) -> io::Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}
