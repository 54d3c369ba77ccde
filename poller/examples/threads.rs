//! A server of plain threads: one for each connection, std's `Read` and `Write`, and deadlines that
//! work.
//!
//! ```text
//! cargo run --release -p netpoller --example threads -- 127.0.0.1:7000
//! ```
//!
//! No runtime and no thread that only polls: of the threads that wait, one does it for all.

use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use netpoller::block_on;
use netpoller::net::{TcpListener, TcpStream};

/// A client that says nothing for this long is sent away.
const IDLE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let addr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:0".to_owned());
    match serve(&addr) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("threads: {error}\nusage: threads [ADDRESS:PORT]");
            ExitCode::FAILURE
        }
    }
}

fn serve(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(addr)?;
    println!("{}", listener.local_addr()?);
    let mut incoming = listener.incoming();
    loop {
        let (stream, peer) = block_on(incoming.accept())?;
        std::thread::Builder::new()
            .name(format!("client {}", peer.port()))
            .spawn(move || {
                if let Err(error) = shout(&stream) {
                    eprintln!("{peer}: {error}");
                }
            })?;
    }
}

/// Answers each line in capitals.
fn shout(stream: &TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream.blocking());
    let mut line = String::new();
    loop {
        stream.set_read_deadline(Some(Instant::now() + IDLE))?;
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        stream
            .blocking()
            .write_all(line.to_uppercase().as_bytes())?;
    }
}
