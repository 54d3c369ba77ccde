//! Who looks from outside: the command `netpoller`, and /proc.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use netpoller::inspect;
use netpoller_tests::program::{items, netpoller};
use serde_json::Value;
use tempfile::TempDir;

/// This process as `netpoller` sees it.
pub(super) struct Outside {
    scratch: TempDir,
    server: inspect::Server,
}

impl Outside {
    pub(super) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let socket = scratch.path().join("endpoint");
        let server = inspect::Server::builder()
            .listen(inspect::Listen::Unix(socket))
            .start()
            .unwrap();
        Self { scratch, server }
    }

    /// What `netpoller ARGUMENTS --format json` says.
    #[track_caller]
    pub(super) fn ask(&self, arguments: &[&str]) -> Value {
        let said = self.say(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&said).unwrap()
    }

    /// What `netpoller ARGUMENTS` says.
    #[track_caller]
    pub(super) fn say(&self, arguments: &[&str]) -> String {
        let output = netpoller(self.scratch.path())
            .args(["-t", self.server.target()])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Its items of one poller.
    #[track_caller]
    pub(super) fn rows(&self, poller: &str, arguments: &[&str]) -> Vec<Value> {
        let document = self.ask(arguments);
        assert_eq!(document["complete"], true);
        let own = |row: &&Value| row["poller"] == poller || row["poller"]["name"] == poller;
        items(&document).iter().filter(own).cloned().collect()
    }
}

/// What /proc/net/tcp says of a socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tcp {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) state: u8,
    pub(super) sendq: u64,
    pub(super) recvq: u64,
}

/// All TCP sockets over IPv4, by inode.
pub(super) fn proc_net_tcp() -> HashMap<u64, Tcp> {
    let text = std::fs::read_to_string("/proc/net/tcp").unwrap();
    text.lines().skip(1).filter_map(tcp).collect()
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 34567 …`
fn tcp(line: &str) -> Option<(u64, Tcp)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let address = |word: &str| -> Option<SocketAddr> {
        let (host, port) = word.split_once(':')?;
        let host = u32::from_str_radix(host, 16).ok()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        Some((Ipv4Addr::from(host.to_ne_bytes()), port).into())
    };
    let (sendq, recvq) = words.get(4)?.split_once(':')?;
    let tcp = Tcp {
        local: address(words.get(1)?)?,
        peer: address(words.get(2)?)?,
        state: u8::from_str_radix(words.get(3)?, 16).ok()?,
        sendq: u64::from_str_radix(sendq, 16).ok()?,
        recvq: u64::from_str_radix(recvq, 16).ok()?,
    };
    Some((words.get(9)?.parse().ok()?, tcp))
}

/// The inode of the socket that a number of this process stands for.
pub(super) fn inode(fd: i64) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
    let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

/// The number in a field.
#[track_caller]
pub(super) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("no number: {value}"))
}
