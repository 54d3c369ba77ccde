//! Bring your own loop: the poller inside a `poll(2)` loop that also watches something else.
//!
//! ```text
//! cargo run --release -p netpoller --example own_loop
//! ```
//!
//! The loop sleeps in `poll(2)`, on standard input and on the poller's own descriptor. When the
//! latter is readable it asks the poller, without waiting, who became runnable, and runs those
//! tasks. A line typed in ends the program.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use async_executor::LocalExecutor;
use netpoller::net::{TcpListener, TcpStream};
use netpoller::{Poller, ReadyList, time};

fn main() -> io::Result<()> {
    let poller = Poller::global();
    // From here on the descriptor also tells of deadlines.
    poller.nest()?;

    let executor = LocalExecutor::new();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let addr = listener.local_addr()?;
    executor
        .spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                println!("accepted {peer}");
                let _ = stream.write_all(b"hello from a loop of my own\n").await;
            }
        })
        .detach();
    executor
        .spawn(async move {
            for turn in 1..=3 {
                time::sleep(Duration::from_millis(200)).await;
                match greet(addr).await {
                    Ok(text) => print!("visit {turn}: {text}"),
                    Err(error) => eprintln!("visit {turn}: {error}"),
                }
            }
            println!("press enter to end");
        })
        .detach();

    let mut ready = ReadyList::with_capacity(128);
    loop {
        while executor.try_tick() {}
        if wait_readable(poller.as_fd().as_raw_fd(), io::stdin().as_raw_fd())? {
            return Ok(());
        }
        poller.poll(Some(Duration::ZERO), &mut ready)?;
        ready.wake_all();
    }
}

async fn greet(addr: std::net::SocketAddr) -> io::Result<String> {
    let stream = TcpStream::connect(addr).await?;
    let mut buf = [0; 64];
    let n = stream.read(&mut buf).await?;
    Ok(String::from_utf8_lossy(&buf[..n]).into_owned())
}

/// Sleeps until the poller has something (`false`) or standard input has (`true`).
#[expect(unsafe_code, reason = "poll(2) has no safe wrapper in std")]
fn wait_readable(poller: i32, stdin: i32) -> io::Result<bool> {
    let mut fds = [poller, stdin].map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: `fds` is valid for two entries.
    let result = unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) };
    if result < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted {
            Ok(false)
        } else {
            Err(error)
        };
    }
    Ok(fds[1].revents != 0)
}
