//! mio, with a loop of events.

use std::io::{self, ErrorKind, Read, Write};
use std::net;

use mio::net::{TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};

use super::{CONNECTIONS, Case, REQUEST, new_socket, rounds};

pub(crate) fn serve(case: Case, connections: Vec<net::TcpStream>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(CONNECTIONS);
    if case == Case::Open {
        return rounds::of_opens(|| {
            let mut socket = UnixStream::from_std(new_socket()?);
            let both = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, Token(0), both)?;
            poll.registry().deregister(&mut socket)
        });
    }
    let mut streams = Vec::new();
    for (index, connection) in connections.into_iter().enumerate() {
        connection.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(connection);
        poll.registry()
            .register(&mut stream, Token(index), Interest::READABLE)?;
        streams.push(stream);
    }
    let mut buffer = [0; 2 * REQUEST];
    while rounds::begin()? {
        let mut done = 0;
        while done < CONNECTIONS {
            poll.poll(&mut events, None)?;
            for event in &events {
                let stream = &mut streams[event.token().0];
                let count = match stream.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    count => count?,
                };
                if case != Case::Wait {
                    stream.write_all(&buffer[..count])?;
                }
                done += 1;
            }
        }
        rounds::end()?;
    }
    Ok(())
}
