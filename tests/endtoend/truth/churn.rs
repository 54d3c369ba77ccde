//! A thousand rows while connections come and go: each says what /proc says.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netpoller::Poller;
use netpoller_tests::{is_alone, tcp_and_peer};
use serde_json::Value;

use super::outside::{Outside, Tcp, inode, proc_net_tcp};

const NAME: &str = "churning";
const CHECKS: usize = 1_000;
/// Readings of a row that must not all differ.
const AGAIN: u32 = 5;

/// By id: a number is given away again as soon as it is closed.
type Rows = HashMap<String, Value>;

fn rows(outside: &Outside) -> Rows {
    let rows = outside.rows(NAME, &["ls"]);
    rows.into_iter()
        .filter(|row| row["kind"] == "tcp")
        .map(|row| (row["id"].as_str().unwrap().to_owned(), row))
        .collect()
}

/// What /proc says of the descriptors of `rows`, by number.
fn proc(rows: &Rows) -> HashMap<i64, Option<(u64, Tcp)>> {
    let fds = rows.values().map(|row| row["fd"].as_i64().unwrap());
    let inodes: HashMap<i64, Option<u64>> = fds.map(|fd| (fd, inode(fd))).collect();
    let sockets = proc_net_tcp();
    let of = |(fd, inode): (i64, Option<u64>)| {
        let known = inode.and_then(|inode| Some((inode, sockets.get(&inode)?.clone())));
        (fd, known)
    };
    inodes.into_iter().map(of).collect()
}

/// What a row and /proc disagree about.
fn differences(row: &Value, proc: Option<&(u64, Tcp)>) -> Vec<String> {
    let Some((_, tcp)) = proc else {
        return vec!["/proc has no such socket".to_owned()];
    };
    let mut found = Vec::new();
    let mut compare = |name: &str, shown: &Value, is: Value| {
        if *shown != is {
            found.push(format!("{name}: {shown} is {is}"));
        }
    };
    compare("local", &row["local"], tcp.local.to_string().into());
    compare("peer", &row["peer"], tcp.peer.to_string().into());
    compare("stale", &row["stale"], false.into());
    let socket = &row["socket"];
    let state = match tcp.state {
        1 => "ESTABLISHED",
        8 => "CLOSE_WAIT",
        _ => "another",
    };
    compare("state", &socket["tcp_state"], state.into());
    compare("recvq", &socket["recvq"], tcp.recvq.into());
    found
}

/// What may change while a row is the same one: then it is read again.
fn changing(row: &Value) -> [&Value; 3] {
    let socket = &row["socket"];
    [&row["fd"], &socket["recvq"], &socket["tcp_state"]]
}

#[test]
fn a_thousand_rows_under_churn_say_what_proc_says() {
    // The numbers are this test's alone.
    if !is_alone("churn::a_thousand_rows_under_churn_say_what_proc_says") {
        return;
    }
    let poller = Poller::builder().name(NAME).build().unwrap();
    let outside = Outside::new();
    let over = AtomicBool::new(false);
    let (mut checks, mut again) = (0, 0);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for lane in 0..2u64 {
            let (poller, over) = (&poller, &over);
            scope.spawn(move || churn(poller, lane, over));
        }
        let mut doubtful: HashMap<String, u32> = HashMap::new();
        while checks < CHECKS || !doubtful.is_empty() {
            let before = rows(&outside);
            let proc = proc(&before);
            let after = rows(&outside);
            doubtful.retain(|id, _| before.contains_key(id));
            for (id, row) in &before {
                let fd = row["fd"].as_i64().unwrap();
                let is_same = |then: &Value| changing(then) == changing(row);
                // Gone, or changed, since it was first read: what is there now is read again.
                if !after.get(id).is_some_and(is_same) {
                    again += 1;
                    continue;
                }
                let differences = differences(row, proc[&fd].as_ref());
                if differences.is_empty() {
                    doubtful.remove(id);
                    checks += 1;
                    continue;
                }
                // What is known of sockets is a little older than the row, so it is read again too.
                again += 1;
                let times = doubtful.entry(id.clone()).or_default();
                *times += 1;
                assert!(*times < AGAIN, "{differences:?}: {row:#}");
            }
            if !doubtful.is_empty() {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    });
    println!("{checks} rows, {again} that were read again, 0 differ");
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Opens, sends, and closes, in an order that looks like none.
fn churn(poller: &Poller, lane: u64, over: &AtomicBool) {
    let mut dice = 0x9e37_79b9_7f4a_7c15 ^ lane;
    let mut roll = |sides: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % sides
    };
    let mut live = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if live.len() < 60 || (live.len() < 100 && roll(2) == 0) {
            live.push(tcp_and_peer(poller));
        } else {
            let at = usize::try_from(roll(live.len() as u64)).unwrap();
            drop(live.swap_remove(at));
        }
        let at = usize::try_from(roll(live.len() as u64)).unwrap();
        let (_, peer) = &mut live[at];
        match roll(8) {
            0 => drop(peer.shutdown(std::net::Shutdown::Write)),
            1..4 => drop(peer.write(&[7; 100][..usize::try_from(roll(100)).unwrap()])),
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(roll(10)));
    }
}
