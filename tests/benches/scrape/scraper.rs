//! The metrics server, and who scrapes it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use netpoller::prometheus::Server;

/// A server whose thread is known.
pub(crate) struct Scraper {
    server: Server,
    /// What the kernel tells of the CPU time of the thread.
    schedstat: PathBuf,
}

/// One that is scraped each second, on a thread of its own.
pub(crate) struct Watched {
    scraper: Scraper,
    began: Instant,
    cpu: Duration,
    stop: Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Scraper {
    pub(crate) fn start() -> io::Result<Self> {
        let before = tasks()?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::builder(any).start().map_err(io::Error::other)?;
        // It has answered, so its thread is there, with its name.
        Connection::open(server.local_addr())?.scrape()?;
        let is_its = |task: &PathBuf| {
            let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
            // The kernel keeps 15 bytes.
            name.trim() == "netpoller-metri" && !before.contains(task)
        };
        let task = tasks()?.into_iter().find(is_its);
        let task = task.ok_or_else(|| io::Error::other("the thread of the server is not found"))?;
        Ok(Self {
            server,
            schedstat: task.join("schedstat"),
        })
    }

    fn cpu(&self) -> io::Result<Duration> {
        let text = std::fs::read_to_string(&self.schedstat)?;
        let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
        let ns = ns.ok_or_else(|| io::Error::other(format!("no schedstat: {text}")))?;
        Ok(Duration::from_nanos(ns))
    }

    /// The CPU time of a scrape, of so many.
    pub(crate) fn cost(&self, times: u32) -> io::Result<Duration> {
        let mut connection = Connection::open(self.server.local_addr())?;
        connection.scrape()?;
        let before = self.cpu()?;
        for _ in 0..times {
            connection.scrape()?;
        }
        Ok((self.cpu()? - before) / times)
    }

    /// Scrapes it each second from now on.
    pub(crate) fn each_second(self) -> Watched {
        let (stop, stopped) = channel();
        let address = self.server.local_addr();
        let thread = thread::spawn(move || {
            let mut connection = Connection::open(address)?;
            loop {
                connection.scrape()?;
                match stopped.recv_timeout(Duration::from_secs(1)) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return Ok(()),
                }
            }
        });
        Watched {
            cpu: self.cpu().unwrap_or_default(),
            scraper: self,
            began: Instant::now(),
            stop,
            thread,
        }
    }
}

impl Watched {
    /// Ends it. Returns the CPU time that the server took, and for how long it was scraped.
    pub(crate) fn stop(self) -> io::Result<(Duration, Duration)> {
        let (cpu, took) = (self.scraper.cpu()?, self.began.elapsed());
        drop(self.stop);
        let ended = self.thread.join();
        ended.map_err(|_| io::Error::other("the scraper has panicked"))??;
        Ok((cpu - self.cpu, took))
    }
}

fn tasks() -> io::Result<Vec<PathBuf>> {
    let tasks = std::fs::read_dir("/proc/self/task")?;
    tasks.map(|task| Ok(task?.path())).collect()
}

/// A connection that is kept, as Prometheus does.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self(BufReader::new(TcpStream::connect(address)?)))
    }

    fn scrape(&mut self) -> io::Result<()> {
        let head = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        self.0.get_mut().write_all(head)?;
        let (mut line, mut length) = (String::new(), None);
        while line != "\r\n" {
            line.clear();
            self.0.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().ok();
            }
        }
        let length = length.ok_or_else(|| io::Error::other("an answer without a length"))?;
        self.0.read_exact(&mut vec![0; length])
    }
}
