//! Every way to have the poller polled, with the same work.
//!
//! | file | holds |
//! |---|---|
//! | `inline`, `byo` | threads that block, and a loop of one's own |
//! | `runtime`, `runtimes`, `workers` | tokio: one runtime, several, and what may wait on a worker |
//! | `apart`, `current` | a poller for each runtime, and which poller is the current one |
//! | `fairness` | turns, budgets, and who has to wait |
//! | `lines` | from which line a wait is told to come |
//! | `measured` | where the time of one request went |
//! | `shares` | whose time passes until a reader runs |
//! | `time` | sleeps, timeouts and ticks |
//! | `traits` | the read and write traits of tokio, futures-io and hyper |
//! | `unwind`, `wakers` | panics: of who holds a socket, and of wakers |

mod apart;
mod byo;
mod current;
mod fairness;
mod inline;
mod lines;
mod measured;
mod runtime;
mod runtimes;
mod shares;
mod time;
mod traits;
mod unwind;
mod wakers;
mod workers;

use netpoller::net::TcpStream;

/// Sends `rounds` messages and expects each back, then the end of the stream.
async fn talk(stream: TcpStream, rounds: u32) {
    stream.set_nodelay(true).unwrap();
    for round in 0..rounds {
        let message = [round.to_le_bytes(); 50].concat();
        stream.write_all(&message).await.unwrap();
        let mut echo = vec![0; message.len()];
        let mut n = 0;
        while n < echo.len() {
            n += stream.read(&mut echo[n..]).await.unwrap();
        }
        assert_eq!(echo, message);
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
}

/// Sends back what comes, until the end.
async fn echo(stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut buf = [0; 128];
    loop {
        match stream.read(&mut buf).await.unwrap() {
            0 => return stream.shutdown(std::net::Shutdown::Write).unwrap(),
            n => stream.write_all(&buf[..n]).await.unwrap(),
        }
    }
}
