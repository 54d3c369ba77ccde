//! Tests of the server, through its socket.
//!
//! | file | tests |
//! |---|---|
//! | `answers` | what is answered, and to whom |
//! | `crowd` | many at a time, slow ones, and those who say nothing |

mod answers;
mod crowd;

use std::io::{Read, Write};
use std::net;

use super::*;

fn start() -> Server {
    Server::builder("127.0.0.1:0".parse().unwrap())
        .start()
        .unwrap()
}

/// Sends `head` and gives back the whole answer.
fn ask(server: &Server, head: &str) -> String {
    ask_at(server.local_addr().port(), head)
}

fn ask_at(port: u16, head: &str) -> String {
    let mut stream = net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    let head = head.trim_end().replace('\n', "\r\n");
    let head = format!("{head}\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    // A request that was refused before its end may not be taken to that, and may end in a reset,
    // after its answer.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap()
}

/// How often the server of any test has answered so.
fn answered(code: &str) -> u64 {
    let text = crate::encode();
    let series = format!("netpoller_scrape_requests_total{{code=\"{code}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap().parse().unwrap()
}
