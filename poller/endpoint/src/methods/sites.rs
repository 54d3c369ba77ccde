//! Which lines open descriptors: their counts, and their rows by peer and state.
//!
//! The counts are the core's, and exact. The rows are grouped here and not by the client, because a
//! process that leaks may have more of them than anybody wants to be sent.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::LazyLock;

use netpoller_core::internals::RawRow;
use netpoller_core::view::{self, Reader, Row};
use netpoller_core::{Kind, Poller};
use netpoller_proto::v1::{ListSitesRequest, ListSitesResponse, OpenDescriptors, Site, SiteGroup};
use prost::Message;
use tonic::Status;

use super::encode;
use super::find::pollers;
use super::page::walk;
use super::turns::Common;
use crate::guard::guarded;
use crate::limits::MAX_ROWS;
use crate::packer::Room;

pub(crate) async fn sites(
    request: &ListSitesRequest,
    redact: bool,
    common: &Common,
) -> Result<ListSitesResponse, Status> {
    let sockets = common.sockets().await?;
    let pollers = guarded(|| pollers(&request.poller))??;
    let listening = listening(&pollers).await?;
    let captured_at_ns = view::now_ns();
    let mut table = guarded(|| Table::of(&pollers))?;
    let mut reader = Reader::default();
    reader.sockets(Some(sockets.clone()));
    walk(&pollers, (0, 0), |poller, slot| {
        if let Some(raw) = slot.read().filter(|raw| raw.kind != Kind::Timer) {
            let row = slot.row(&mut reader, poller, &raw);
            let mut peer = peer(&row, &listening);
            if redact {
                peer = encode::hidden(&peer);
            }
            table.add(poller, &raw, &row, peer);
        }
        ControlFlow::Continue(())
    })
    .await?;
    Ok(ListSitesResponse {
        captured_at_ns,
        sites: guarded(|| table.encoded(captured_at_ns))?,
        epoch: view::started_at_ns(),
        sockets_at_ns: sockets.read_at_ns(),
        sockets_error: sockets.error(),
    })
}

/// A line.
type Line = (&'static str, u32);

/// All lines, and what was read of each.
#[derive(Default)]
struct Table {
    lines: Vec<Tally>,
    /// Where each of them is. `None` is the one for those without a place of their own.
    places: HashMap<Option<Line>, usize>,
}

#[derive(Default)]
struct Tally {
    line: Option<Line>,
    opened: u64,
    closed: u64,
    groups: HashMap<(String, &'static str), Rows>,
}

/// Some rows.
#[derive(Default)]
struct Rows {
    /// When each was registered.
    opened_at_ns: Vec<u64>,
    waited: u64,
    queued_bytes: u64,
    /// The oldest, as every verb of the inspector takes it.
    oldest: (u64, String),
}

impl Table {
    /// The counts of these pollers.
    fn of(pollers: &[Poller]) -> Self {
        let mut table = Self::default();
        for site in pollers.iter().flat_map(Poller::sites) {
            let tally = table.line(site.location.map(|at| (at.file(), at.line())));
            tally.opened += site.opened;
            tally.closed += site.closed;
        }
        table
    }

    fn line(&mut self, line: Option<Line>) -> &mut Tally {
        let place = *self.places.entry(line).or_insert_with(|| {
            self.lines.push(Tally {
                line,
                ..Tally::default()
            });
            self.lines.len() - 1
        });
        &mut self.lines[place]
    }

    fn add(&mut self, poller: &Poller, raw: &RawRow, row: &Row, peer: String) {
        let line = row.opened_location.map(|at| (at.file(), at.line()));
        // One that has no place is counted with the others.
        let line = line.filter(|_| self.places.contains_key(&line));
        let rows = self
            .line(line)
            .groups
            .entry((peer, state(row, raw.connect_parks == u64::MAX)))
            .or_default();
        if rows.opened_at_ns.is_empty() || row.opened_at_ns < rows.oldest.0 {
            let id = format!("{}/{}", poller.name(), row.id());
            rows.oldest = (row.opened_at_ns, id);
        }
        rows.opened_at_ns.push(row.opened_at_ns);
        rows.waited += u64::from(raw.is_waiting());
        let queues = row.socket.map(|it| [it.recvq, it.sendq]);
        let bytes = queues.into_iter().flatten().flatten();
        rows.queued_bytes += bytes.sum::<u64>();
    }

    fn encoded(self, now_ns: u64) -> Vec<Site> {
        let mut sites = Vec::new();
        let mut groups = Vec::new();
        let mut lines = self.lines;
        lines.sort_by_key(|it| (it.line.is_none(), it.line));
        for (index, tally) in lines.into_iter().enumerate() {
            let mut all = Rows::default();
            for ((peer, state), rows) in tally.groups {
                all.take(&rows);
                let rows = Some(rows.encoded(now_ns));
                let state = state.to_owned();
                groups.push((index, SiteGroup { peer, state, rows }));
            }
            sites.push(Site {
                location: tally
                    .line
                    .map_or_else(String::new, |(file, line)| format!("{file}:{line}")),
                opened: tally.opened,
                closed: tally.closed,
                rows: Some(all.encoded(now_ns)),
                groups: Vec::new(),
                more_groups: 0,
            });
        }
        groups.sort_by_cached_key(|(_, group)| {
            let count = group.rows.as_ref().map_or(0, |rows| rows.count);
            (Reverse(count), group.peer.clone(), group.state.clone())
        });
        let mut room = Room::new(MAX_ROWS + sites.len());
        for site in &sites {
            room.take(site.encoded_len());
        }
        for (index, group) in groups {
            match room.take(group.encoded_len()) {
                true => sites[index].groups.push(group),
                false => sites[index].more_groups += 1,
            }
        }
        sites
    }
}

impl Rows {
    fn take(&mut self, other: &Self) {
        if self.opened_at_ns.is_empty() || other.oldest.0 < self.oldest.0 {
            self.oldest.clone_from(&other.oldest);
        }
        self.opened_at_ns.extend(&other.opened_at_ns);
        self.waited += other.waited;
        self.queued_bytes += other.queued_bytes;
    }

    fn encoded(mut self, now_ns: u64) -> OpenDescriptors {
        // The youngest first, as their ages grow.
        self.opened_at_ns.sort_unstable_by_key(|at| Reverse(*at));
        let age = |percent: usize| {
            let rank = (self.opened_at_ns.len() * percent).div_ceil(100);
            let opened = self.opened_at_ns.get(rank.saturating_sub(1));
            opened.map_or(0, |at| now_ns.saturating_sub(*at))
        };
        OpenDescriptors {
            count: self.opened_at_ns.len() as u64,
            waited: self.waited,
            age_p50_ns: age(50),
            age_p90_ns: age(90),
            age_p99_ns: age(99),
            oldest_at_ns: self.oldest.0,
            oldest: self.oldest.1,
            queued_bytes: self.queued_bytes,
        }
    }
}

/// The ports at which these pollers listen.
async fn listening(pollers: &[Poller]) -> Result<HashSet<u16>, Status> {
    let mut ports = HashSet::new();
    let mut reader = Reader::default();
    walk(pollers, (0, 0), |poller, slot| {
        if slot.kind() == Kind::TcpListener
            && let Some(raw) = slot.read()
        {
            ports.extend(port(&slot.row(&mut reader, poller, &raw).local));
        }
        ControlFlow::Continue(())
    })
    .await?;
    Ok(ports)
}

/// The first port that the kernel gives to whoever connects and asks for none.
fn first_ephemeral() -> u16 {
    static FIRST: LazyLock<u16> = LazyLock::new(|| {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
        let first = |range: String| range.split_whitespace().next()?.parse().ok();
        range.ok().and_then(first).unwrap_or(32_768)
    });
    *FIRST
}

fn port(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

/// The address of the peer: what many have in common.
///
/// Of one that has connected to us, the port is another each time and means nothing. So it is where
/// our own port is one at which we listen, or one that the kernel gives to nobody who connects.
fn peer(row: &Row, listening: &HashSet<u16>) -> String {
    let is_own = |port: u16| listening.contains(&port) || port < first_ephemeral();
    let inet = matches!(row.kind, Kind::Tcp | Kind::Udp);
    match row.peer.rsplit_once(':') {
        Some((host, _)) if inet && port(&row.local).is_some_and(is_own) => host.to_owned(),
        _ => row.peer.as_ref().to_owned(),
    }
}

/// What it is at. A connection that began after the kernel listed its sockets is not in that list.
fn state(row: &Row, is_connecting: bool) -> &'static str {
    let tcp_state = row.socket.map_or("", |socket| socket.tcp_state);
    match tcp_state {
        _ if row.closing => "closing",
        _ if row.stale => "stale",
        "" if is_connecting => "connecting",
        "" => row.kind.name(),
        state => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(opened_at_ns: &[u64]) -> Rows {
        Rows {
            opened_at_ns: opened_at_ns.to_vec(),
            oldest: (
                opened_at_ns.iter().copied().min().unwrap_or(0),
                "a/1.1".into(),
            ),
            ..Rows::default()
        }
    }

    #[test]
    fn a_connection_that_the_kernel_has_not_listed_yet_is_connecting() {
        let poller = crate::fixture::poller("sites_connecting");
        let _kept = crate::fixture::kept(&poller);
        let mut row = poller.rows().remove(0);
        row.kind = Kind::Tcp;
        assert_eq!(state(&row, true), "connecting");
        assert_eq!(state(&row, false), "tcp");
        row.closing = true;
        assert_eq!(state(&row, true), "closing");
    }

    #[test]
    fn ages_are_those_of_the_nearest_rank() {
        let opened: Vec<u64> = (1..=100).map(|age| 1_000 - age).collect();
        let all = rows(&opened).encoded(1_000);
        assert_eq!(
            (all.age_p50_ns, all.age_p90_ns, all.age_p99_ns),
            (50, 90, 99)
        );
        assert_eq!((all.count, all.oldest_at_ns), (100, 900));
        let one = rows(&[700]).encoded(1_000);
        assert_eq!((one.age_p50_ns, one.age_p99_ns), (300, 300));
        let none = Rows::default().encoded(1_000);
        assert_eq!((none.age_p50_ns, none.oldest_at_ns), (0, 0));
    }

    #[test]
    fn an_answer_has_the_largest_groups_and_says_how_many_it_leaves_out() {
        let mut table = Table::default();
        for line in [None, Some(("b.rs", 1)), Some(("a.rs", 2))] {
            let tally = table.line(line);
            tally.opened = 1_000;
            for peer in 0..MAX_ROWS {
                let opened = vec![5; 1 + peer % 2];
                tally
                    .groups
                    .insert((format!("peer {peer}"), "ESTABLISHED"), rows(&opened));
            }
        }
        let sites = table.encoded(10);
        let names: Vec<&str> = sites.iter().map(|site| site.location.as_str()).collect();
        assert_eq!(names, ["a.rs:2", "b.rs:1", ""]);
        let shown: usize = sites.iter().map(|site| site.groups.len()).sum();
        let hidden: u64 = sites.iter().map(|site| site.more_groups).sum();
        assert_eq!((shown, hidden), (MAX_ROWS, 2 * MAX_ROWS as u64));
        for site in &sites {
            assert_eq!(site.rows.as_ref().unwrap().count, 1_500, "all are counted");
            let counts = site.groups.iter().map(|it| it.rows.as_ref().unwrap().count);
            assert!(counts.into_iter().all(|count| count == 2));
        }
        let message = ListSitesResponse {
            sites,
            ..Default::default()
        };
        assert!(message.encoded_len() <= crate::limits::MAX_MESSAGE);
    }
}
