//! Epoll and the system calls, nothing else.
#![allow(unsafe_code)]

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{CONNECTIONS, Case, REQUEST, new_socket, rounds};

pub(crate) fn serve(case: Case, connections: Vec<TcpStream>) -> io::Result<()> {
    // SAFETY: no memory is involved; the descriptor is new, and nobody else's.
    let epoll = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
    let control = |operation, fd: i32, events: i32| {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: fd as u64,
        };
        // SAFETY: `event` is alive during the call.
        check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation, fd, &raw mut event) })
    };
    if case == Case::Open {
        return rounds::of_opens(|| {
            let socket = new_socket()?;
            let events = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET;
            control(libc::EPOLL_CTL_ADD, socket.as_raw_fd(), events)?;
            control(libc::EPOLL_CTL_DEL, socket.as_raw_fd(), 0).map(drop)
        });
    }
    for connection in &connections {
        connection.set_nonblocking(true)?;
        control(libc::EPOLL_CTL_ADD, connection.as_raw_fd(), libc::EPOLLIN)?;
    }
    let mut buffer = [0_u8; 2 * REQUEST];
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; CONNECTIONS];
    while rounds::begin()? {
        let mut done = 0;
        while done < CONNECTIONS {
            // SAFETY: there is room for as many events as it says.
            let ready = check(unsafe {
                libc::epoll_wait(
                    epoll.as_raw_fd(),
                    events.as_mut_ptr(),
                    CONNECTIONS as i32,
                    -1,
                )
            })?;
            for event in &events[..ready as usize] {
                let fd = event.u64 as i32;
                // SAFETY: `buffer` has as much room, and is alive during the calls.
                unsafe {
                    let count = libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), 0);
                    if case != Case::Wait {
                        libc::send(fd, buffer.as_ptr().cast(), count as usize, 0);
                    }
                }
                done += 1;
            }
        }
        rounds::end()?;
    }
    Ok(())
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
