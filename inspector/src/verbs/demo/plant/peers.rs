//! Faults of what the peer does, or no longer does.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;

use futures_lite::future;
use netpoller::{Direction, Kind, block_on_poller, task};
use socket2::{SockFilter, SockRef};

use super::fault::Fault;
use super::sown::{Plant, Registered, tcp_pair};
use crate::verbs::demo::stop::Stop;

/// BPF_RET | BPF_K: so many bytes of it come through.
const RETURN: u16 = 6;

/// Writes more than there is room for, without a deadline, to a peer that reads nothing.
pub(super) fn not_reading(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    let registered = Registered { desc, file: ours };
    Plant::keeping(theirs).thread(fault, move || {
        let registered = registered;
        let Registered { desc, file } = &registered;
        let writer = task::named("pushing-writer", async {
            while desc.reset(Direction::Write).is_ok() {
                if (&*file).write(&[7; 4096]).is_err() && desc.wait(Direction::Write).await.is_err()
                {
                    break;
                }
            }
            stop.wait().await;
        });
        block_on_poller(&poller, future::or(writer, stop.wait()));
    })
}

/// Sends a request, and waits for the answer of a peer to which nothing comes through.
pub(super) fn gone(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    // Nothing that comes passes the filter of the other side, as if its machine were gone.
    let nothing = SockFilter::new(RETURN, 0, 0, 0);
    SockRef::from(&theirs).attach_filter(&[nothing])?;
    (&ours).write_all(b"are you there?")?;
    let registered = Registered { desc, file: ours };
    Plant::keeping(theirs).thread(fault, move || {
        let registered = registered;
        let reader = task::named("forsaken-client", async {
            while registered.desc.wait(Direction::Read).await.is_ok() {}
            stop.wait().await;
        });
        block_on_poller(&poller, future::or(reader, stop.wait()));
    })
}

/// Keeps a connection although the peer has closed it.
pub(super) fn close_wait(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let (ours, theirs) = tcp_pair()?;
    let desc = poller.open(ours.as_fd(), Kind::Tcp)?;
    desc.set_label(&fault.label());
    drop(theirs);
    let registered = Registered { desc, file: ours };
    Plant::default().thread(fault, move || {
        block_on_poller(&poller, stop.wait());
        drop(registered);
    })
}

/// Accepts a connection, and waits for what its silent peer has to say before the next is accepted.
pub(super) fn accept_stalled(fault: Fault, stop: &Arc<Stop>) -> io::Result<Plant> {
    let (poller, stop) = (fault.poller()?, Arc::clone(stop));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let desc = poller.open(listener.as_fd(), Kind::TcpListener)?;
    desc.set_label(&fault.label());
    let registered = Registered {
        desc,
        file: listener,
    };
    Plant::default().thread(fault, move || {
        let registered = registered;
        let Registered { desc, file } = &registered;
        let acceptor = task::named("acceptor", async {
            while desc.wait(Direction::Read).await.is_ok() {
                let Ok((stream, _)) = file.accept() else {
                    continue;
                };
                if stream.set_nonblocking(true).is_err() {
                    break;
                }
                let Ok(connection) = poller.open(stream.as_fd(), Kind::Tcp) else {
                    break;
                };
                // Wrong: it is not this client's turn alone.
                let _ = connection.wait(Direction::Read).await;
            }
            stop.wait().await;
        });
        // Polled after the acceptor, which is parked by then.
        let clients = async {
            let _clients = [(); 4].map(|()| TcpStream::connect(address));
            stop.wait().await;
        };
        block_on_poller(&poller, future::or(acceptor, clients));
    })
}
