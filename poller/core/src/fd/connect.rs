//! connect(2) without blocking (semantics 54).

use std::future::{Future, poll_fn};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::Poll;

use super::descriptor::Fd;
use super::operation::{Connect, Operation};
use crate::observe::{Direction, LineKind, OpKind};
use crate::sys::socket;

/// Connects `fd`. Dropping the future gives up; the caller then drops the descriptor, so that a
/// connection that was made at the same moment is closed, not lost (golang/go#16523).
pub(crate) async fn connect(
    fd: &Fd,
    to: &socket2::SockAddr,
    location: &'static Location<'static>,
) -> io::Result<()> {
    let result = connect_turn(fd, to, location).await;
    Operation::<Connect>::new(location).end(fd.local(), result, |()| None)
}

async fn connect_turn(
    fd: &Fd,
    to: &socket2::SockAddr,
    location: &'static Location<'static>,
) -> io::Result<()> {
    let _turn = fd.turn(Direction::Write, location).await?;
    let desc = fd.desc();
    desc.slot.set_origin(LineKind::Connected);
    // A deadline in the past fails before a packet is sent.
    desc.reset(Direction::Write)?;
    match socket::connect(fd.raw(), to) {
        Ok(()) => {
            fd.count(OpKind::Connect.sys_ok());
            return Ok(());
        }
        Err(error) => match error.raw_os_error() {
            // The attempt goes on after a signal as well; asking again would say EALREADY.
            Some(libc::EINPROGRESS | libc::EALREADY) => fd.count(OpKind::Connect.sys_eagain()),
            Some(libc::EINTR) => fd.count(OpKind::Connect.sys_eintr()),
            Some(libc::EISCONN) => return Ok(()),
            _ => {
                fd.count(OpKind::Connect.sys_error());
                return Err(error);
            }
        },
    }
    desc.slot.begin_connect();
    loop {
        let mut wait = desc.wait_at(Direction::Write, location);
        poll_fn(|cx| match Pin::new(&mut wait).poll(cx) {
            Poll::Ready(woken) => Poll::Ready(woken.map_err(io::Error::from)),
            // Each time: it may have been passed on, to somebody else who has to poll now.
            Poll::Pending => match fd.runtime_link.ensure_polled(&desc.shared) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        })
        .await?;
        if let Some(error) = socket::take_error(fd.raw())? {
            match error.raw_os_error() {
                Some(libc::EINPROGRESS | libc::EALREADY | libc::EINTR) => continue,
                Some(libc::EISCONN) => break,
                _ => return Err(error),
            }
        }
        // Write readiness without an error is not a connection yet: it may be the edge that an
        // unconnected socket gives when it is registered, or one of the slot's former owner
        // (golang/go#14548, #19289).
        if socket::peer_addr(fd.raw()).is_ok() {
            break;
        }
    }
    desc.slot.end_connect();
    Ok(())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::desc::Kind;
    use crate::fd::Options;
    use crate::poller::Poller;
    use socket2::{Domain, Socket, Type};
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn issue_go_14548_readiness_before_the_handshake_is_not_a_connection() {
        let poller = Poller::builder().build().unwrap();
        // A listener with a full queue: the kernel answers nobody else.
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener
            .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let client = || Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None).unwrap();
        let filling = [client(), client(), client()];
        for socket in &filling {
            let _ = socket.connect(&address);
        }

        let options = Options::new(Kind::Tcp);
        let fd = Fd::new(&poller, client().into(), options, Location::caller()).unwrap();
        let mut connecting = pin!(connect(&fd, &address, Location::caller()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(connecting.as_mut().poll(&mut cx).is_pending());
        for _ in 0..3 {
            // As the edge that a socket gives when it is registered, or one of the slot's former
            // owner.
            let edge = fd.desc().slot.ready(Direction::Write, 1, &fd.local());
            assert!(edge.is_some(), "it was parked");
            assert!(
                connecting.as_mut().poll(&mut cx).is_pending(),
                "SO_ERROR 0 is not enough"
            );
        }
    }
}
