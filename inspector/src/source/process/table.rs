//! The table of a process that keeps none: a row for each registration of its epoll sets, and for
//! each socket and pipe that is in none.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use netpoller_core::Kind;
use netpoller_core::internals::Listing;
use netpoller_core::view;
use netpoller_endpoint::messages;
use netpoller_proto::Direction;
use netpoller_proto::v1::{self, Descriptor, State};

use super::calls::Waits;
use super::facts::{Facts, OpenFile, Registered, Thread};
use super::inside::Inside;
use super::kept::{self, Kept, Parked, Reading, Waiter};
use super::look::Look;
use super::seen::Seen;
use super::sockets;
use crate::source::procfs;

/// What stands for a poller where there is none.
const UNPOLLED: &str = "unpolled";

/// What is remembered of a process from look to look.
#[derive(Debug)]
pub(super) struct Table {
    pid: u32,
    /// By number, what was open at the last look.
    known: HashMap<i32, Known>,
    /// Files there have been, ever.
    files: u32,
    /// Since when whoever waits was seen to.
    seen: Seen,
    /// By the number of its descriptor, the number of an epoll set as a poller.
    sets: HashMap<(i32, u32), u32>,
    /// What its runtime keeps in its memory.
    inside: Inside,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    link: String,
    /// Which of all files that were seen it is.
    generation: u32,
}

impl Table {
    pub(super) fn new(pid: u32, inside: Inside) -> Self {
        Self {
            pid,
            inside,
            known: HashMap::new(),
            files: 0,
            seen: Seen::default(),
            sets: HashMap::new(),
        }
    }

    /// Reads it anew. Fails if that is not allowed, or the process has ended.
    pub(super) fn look(&mut self) -> io::Result<Look> {
        let facts = Facts::read(self.pid)?;
        let listing = sockets::read(self.pid);
        let reading = self.inside.read(&facts);
        let mut look = self.at(view::now_ns(), facts, &listing, reading);
        let mut sockets = listing.sockets;
        look.is_inside = self.inside.is_known();
        look.is_stopped = procfs::state(self.pid).is_some_and(|(it, _)| matches!(it, 'T' | 't'));
        let inodes: HashSet<u64> = look.inodes.values().copied().collect();
        sockets.retain(|inode, _| inodes.contains(inode));
        look.sockets = Arc::new(sockets);
        Ok(look)
    }

    fn at(&mut self, now_ns: u64, facts: Facts, listing: &Listing, mut reading: Reading) -> Look {
        self.seen.begin(&facts.threads, now_ns);
        self.remember(&facts);
        let pollers = self.pollers(&facts);
        let mut look = Look {
            captured_at_ns: now_ns,
            open_files: facts.files.len() as u64,
            limit: facts.limit,
            inodes: facts
                .files
                .iter()
                .filter_map(|it| Some((it.fd, it.socket_inode()?)))
                .collect(),
            files: facts.files.iter().map(|it| (it.fd, it.inode)).collect(),
            sockets_at_ns: listing.read_at_ns,
            sockets_error: listing.errors.join("; "),
            ..Look::default()
        };
        let files: HashMap<i32, &OpenFile> = facts.files.iter().map(|it| (it.fd, it)).collect();
        let mut registered = HashSet::new();
        for (poller, (fd, _)) in &pollers {
            let mut all: Vec<&Registered> = facts.sets.get(fd).into_iter().flatten().collect();
            all.sort_by_key(|it| it.fd);
            for it in all {
                let file = files.get(&it.fd).copied();
                let mut row = self.row(&poller.name, it.fd, file, Some(it), listing);
                if !row.stale {
                    registered.insert(it.fd);
                }
                let kept = reading.rows.remove(&(*fd, it.fd, it.data));
                if let Some(kept) = kept.filter(|_| !row.stale) {
                    let row = Arc::make_mut(&mut row);
                    let mut since = |direction, parked, socket: Option<&v1::Socket>| {
                        let moved_ns = socket.and_then(|it| moved_ns(it, direction));
                        self.seen.parked((*fd, it.fd, direction), parked, moved_ns)
                    };
                    if let Some(kept) = keep(row, kept, &mut since) {
                        look.kept.insert((*fd, it.fd), kept);
                    }
                }
                // A number can be registered again whose old file is still watched, even twice.
                let is_again = look.rows.last().is_some_and(|last| last.key() == row.key());
                if !is_again {
                    look.rows.push(row);
                }
            }
        }
        let waited_for = self.seen.descriptors();
        let mut unpolled = v1::Poller {
            name: UNPOLLED.to_owned(),
            epoll_fd: -1,
            ..v1::Poller::default()
        };
        for file in &facts.files {
            let is_channel = file.socket_inode().or(file.pipe_inode()).is_some();
            let is_wanted = is_channel || waited_for.contains(&file.fd);
            // One that was not read may have it.
            let is_known = !facts.are_cut || waited_for.contains(&file.fd);
            if is_wanted && is_known && !registered.contains(&file.fd) {
                unpolled.descriptors += 1;
                look.rows
                    .push(self.row(UNPOLLED, file.fd, Some(file), None, listing));
            }
        }
        look.pollers = pollers.into_iter().map(|(poller, _)| poller).collect();
        if unpolled.descriptors > 0 {
            look.pollers.push(unpolled);
        }
        for row in &look.rows {
            let of_it = look.pollers.iter_mut().find(|it| it.name == row.poller);
            let waiting = [&row.read, &row.write].into_iter().flatten();
            let waiting = waiting.filter(|it| it.waiter.is_some()).count();
            if let Some(poller) = of_it {
                poller.waiters += i64::try_from(waiting).unwrap_or(i64::MAX);
            }
        }
        self.wait(&mut look, &facts.threads);
        look.missing = facts.missing;
        look.missing.extend(listing.errors.iter().cloned());
        look.missing.extend(reading.missing);
        look.tasks = reading.tasks;
        look.sets = facts.sets;
        look.threads = facts.threads;
        look.duplicates = facts.duplicates;
        look
    }

    /// Takes note of what is open.
    fn remember(&mut self, facts: &Facts) {
        let mut before = std::mem::take(&mut self.known);
        for file in &facts.files {
            let same = before.remove(&file.fd).filter(|it| it.link == file.link);
            let known = same.unwrap_or_else(|| {
                self.files = self.files.wrapping_add(1);
                Known {
                    link: file.link.clone(),
                    generation: self.files,
                }
            });
            self.known.insert(file.fd, known);
        }
    }

    /// The epoll sets as pollers, in the order of their descriptors, with those.
    fn pollers(&mut self, facts: &Facts) -> Vec<(v1::Poller, (i32, u32))> {
        let mut sets: Vec<(i32, u32)> = facts
            .sets
            .keys()
            .map(|fd| (*fd, self.known.get(fd).map_or(0, |it| it.generation)))
            .collect();
        sets.sort_unstable();
        let known = std::mem::take(&mut self.sets);
        let mut last = known.values().copied().max().unwrap_or(0);
        let pollers = sets.into_iter().map(|set| {
            let id = known.get(&set).copied().unwrap_or_else(|| {
                last += 1;
                last
            });
            self.sets.insert(set, id);
            let polling = facts.threads.iter().filter(|thread| {
                let Some((Waits::Events(fd), _)) = self.seen.waits(thread.tid) else {
                    return false;
                };
                *facts.duplicates.get(&fd).unwrap_or(&fd) == set.0
            });
            let polled_by: Vec<_> = polling.map(polling_thread).collect();
            let poller = v1::Poller {
                name: format!("epoll-{}", set.0),
                id,
                epoll_fd: set.0,
                driver: "outside".to_owned(),
                descriptors: facts.sets.get(&set.0).map_or(0, Vec::len) as u64,
                blocked: !polled_by.is_empty(),
                polled_by,
                ..v1::Poller::default()
            };
            (poller, set)
        });
        pollers.collect()
    }

    fn row(
        &self,
        poller: &str,
        fd: i32,
        file: Option<&OpenFile>,
        registered: Option<&Registered>,
        listing: &Listing,
    ) -> Arc<Descriptor> {
        let may_be_its = |file: &&OpenFile| registered.is_none_or(|it| it.may_be_of(file.inode));
        let file = file.filter(may_be_its);
        // It was closed, or its number was given to another file, and the set watches the old one.
        let stale = file.is_none();
        let inode = file.and_then(OpenFile::socket_inode);
        let listed = inode.and_then(|it| listing.sockets.get(&it));
        let is_pipe = file.is_some_and(|it| it.pipe_inode().is_some());
        let kind = match listed {
            Some(listed) => listed.kind,
            None if is_pipe => Kind::Pipe,
            None => Kind::Other,
        };
        // What it is, where its kind does not say so.
        let label = file.filter(|_| kind == Kind::Other).map_or("", |file| {
            let link = file.link.as_str();
            let anonymous = link.strip_prefix("anon_inode:");
            anonymous.map_or(link, |it| it.trim_matches(['[', ']']))
        });
        let known = self.known.get(&fd).filter(|_| !stale);
        Arc::new(Descriptor {
            poller: poller.to_owned(),
            slot: fd.unsigned_abs(),
            generation: known.map_or(0, |it| it.generation),
            fd,
            kind: kind.number(),
            local: listed.map_or_else(String::new, |it| it.local.clone()),
            peer: listed.map_or_else(String::new, |it| it.peer.clone()),
            label: label.to_owned(),
            read: Some(v1::Direction::default()),
            write: Some(v1::Direction::default()),
            stale,
            socket: listed.map(|it| messages::socket(it.socket)),
            ..Descriptor::default()
        })
    }

    /// Puts who waits into the rows.
    fn wait(&self, look: &mut Look, threads: &[Thread]) {
        let mut places: HashMap<i32, Vec<usize>> = HashMap::new();
        for (place, row) in look.rows.iter().enumerate().filter(|(_, row)| !row.stale) {
            places.entry(row.fd).or_default().push(place);
        }
        for thread in threads {
            let Some((Waits::Descriptor(fd, direction, call), since_ns)) =
                self.seen.waits(thread.tid)
            else {
                continue;
            };
            for place in places.get(&fd).into_iter().flatten() {
                let Some(row) = look.rows.get_mut(*place) else {
                    continue;
                };
                let poller = row.poller.clone();
                let row = Arc::make_mut(row);
                let side = match direction {
                    Direction::Read => &mut row.read,
                    Direction::Write => &mut row.write,
                };
                let waiter = v1::Waiter {
                    thread: thread.name.clone(),
                    location: call.to_owned(),
                    ..v1::Waiter::default()
                };
                let side = side.get_or_insert_default();
                match side.waiter {
                    Some(_) => side.others.push(waiter),
                    None => {
                        side.set_state(State::Parked);
                        side.since_ns = since_ns;
                        side.waiter = Some(waiter);
                    }
                }
                let of_it = look.pollers.iter_mut().find(|it| it.name == poller);
                if let Some(poller) = of_it {
                    poller.waiters += 1;
                }
            }
        }
    }
}

/// When something last moved that would have woken whoever waits in this direction.
fn moved_ns(socket: &v1::Socket, direction: Direction) -> Option<u64> {
    match direction {
        Direction::Read => socket.last_recv_ns,
        Direction::Write => socket.last_send_ns,
    }
}

/// Puts into a row what the process's runtime keeps of it, and returns that. `since` tells since
/// when a wait was seen.
fn keep(
    row: &mut Descriptor,
    kept: Kept,
    since: &mut dyn FnMut(Direction, Parked, Option<&v1::Socket>) -> u64,
) -> Option<kept::Row> {
    let kept = match kept {
        Kept::Row(kept) => *kept,
        Kept::Torn => {
            row.torn = true;
            return None;
        }
    };
    row.closing = kept.closing;
    row.event_err = kept.event_err;
    for (direction, side) in [
        (Direction::Read, &kept.read),
        (Direction::Write, &kept.write),
    ] {
        let since_ns = kept
            .parked(direction)
            .map_or(0, |parked| since(direction, parked, row.socket.as_ref()));
        let told = v1::Direction {
            state: side.state.into(),
            since_ns,
            since_at_least: since_ns != 0,
            deadline_ns: side.deadline_ns,
            waiter: side.waiter.as_ref().map(Waiter::told),
            others: side.others.iter().map(Waiter::told).collect(),
            ..v1::Direction::default()
        };
        match direction {
            Direction::Read => row.read = Some(told),
            Direction::Write => row.write = Some(told),
        }
    }
    Some(kept)
}

fn polling_thread(thread: &Thread) -> v1::PollingThread {
    v1::PollingThread {
        name: thread.name.clone(),
        tid: thread.tid,
        polls: 0,
        ran_ns: thread.times_ns.map(|it| it.0),
        run_delay_ns: thread.times_ns.map(|it| it.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(fd: i32, link: &str) -> OpenFile {
        let number = link.split(['[', ']']).nth(1);
        OpenFile {
            fd,
            link: link.to_owned(),
            inode: number.and_then(|it| it.parse().ok()).unwrap_or(0),
        }
    }

    fn thread(tid: i32, call: Option<(i64, u64)>) -> Thread {
        Thread {
            tid,
            name: format!("worker-{tid}"),
            call,
            stack: None,
            times_ns: Some((5, 6)),
        }
    }

    fn facts() -> Facts {
        let registered = |fd, inode| Registered {
            fd,
            events: 1,
            inode,
            data: 0,
        };
        Facts {
            are_cut: false,
            files: vec![
                file(0, "/dev/null"),
                file(3, "anon_inode:[eventpoll]"),
                file(4, "anon_inode:[eventfd]"),
                file(5, "pipe:[50]"),
                file(6, "socket:[61]"),
                file(7, "pipe:[70]"),
            ],
            // 6 was another socket when it was registered, and 9 is closed.
            sets: HashMap::from([(
                3,
                vec![
                    registered(9, 90),
                    registered(4, 0),
                    registered(5, 50),
                    registered(6, 60),
                ],
            )]),
            threads: vec![
                thread(1, Some((libc::SYS_epoll_pwait, 3))),
                thread(2, Some((libc::SYS_read, 7))),
                thread(3, None),
            ],
            duplicates: HashMap::new(),
            limit: Some(100),
            missing: Vec::new(),
        }
    }

    fn keys(look: &Look) -> Vec<(&str, i32, bool)> {
        let rows = look.rows.iter();
        rows.map(|it| (it.poller.as_str(), it.fd, it.stale))
            .collect()
    }

    #[test]
    fn each_registration_is_a_row_and_what_is_in_no_set_follows() {
        let mut table = Table::new(1, Inside::default());
        let look = table.at(100, facts(), &Listing::default(), Reading::default());
        let expected = [
            ("epoll-3", 4, false),
            ("epoll-3", 5, false),
            ("epoll-3", 6, true),
            ("epoll-3", 9, true),
            // The number is another socket's now, which is in no set.
            ("unpolled", 6, false),
            ("unpolled", 7, false),
        ];
        assert_eq!(keys(&look), expected);
        assert_eq!(look.rows[0].label, "eventfd");
        assert_eq!(look.rows[1].kind(), v1::DescriptorKind::Pipe);
        let [set, unpolled] = &look.pollers[..] else {
            panic!("{:?}", look.pollers)
        };
        assert!(set.blocked && set.polled_by[0].tid == 1 && set.descriptors == 4);
        assert_eq!((unpolled.epoll_fd, unpolled.waiters), (-1, 1));
        assert_eq!((look.open_files, look.limit), (6, Some(100)));
        let mut twice = facts();
        twice.duplicates.insert(8, 3);
        twice.threads[0].call = Some((libc::SYS_epoll_pwait, 8));
        let look = table.at(200, twice, &Listing::default(), Reading::default());
        assert!(
            look.pollers[0].blocked,
            "its events may be waited for by either number"
        );
    }

    #[test]
    fn a_wait_is_as_old_as_it_was_seen_at_least_and_begins_anew_with_another_call() {
        let mut table = Table::new(1, Inside::default());
        let since = |look: &Look| {
            let side = look.rows.last().and_then(|it| it.read.clone());
            side.filter(|it| it.state() == State::Parked)
                .map(|it| it.since_ns)
        };
        assert_eq!(
            since(&table.at(100, facts(), &Listing::default(), Reading::default())),
            Some(0)
        );
        let look = table.at(200, facts(), &Listing::default(), Reading::default());
        assert_eq!(since(&look), Some(100));
        let waiter = look.rows[5].read.clone().and_then(|it| it.waiter);
        let waiter = waiter.expect("somebody waits");
        assert_eq!(
            (&*waiter.thread, &*waiter.location),
            ("worker-2", "read(2)")
        );
        let mut other = facts();
        other.threads[1].call = None;
        assert_eq!(
            since(&table.at(300, other, &Listing::default(), Reading::default())),
            None
        );
        assert_eq!(
            since(&table.at(400, facts(), &Listing::default(), Reading::default())),
            Some(0)
        );
    }

    #[test]
    fn threads_in_one_call_on_one_descriptor_are_all_told() {
        let mut table = Table::new(1, Inside::default());
        let mut pool = facts();
        pool.threads.extend([
            thread(4, Some((libc::SYS_read, 7))),
            thread(5, Some((libc::SYS_read, 7))),
        ]);
        let look = table.at(100, pool, &Listing::default(), Reading::default());
        let read = look.rows.last().and_then(|it| it.read.as_ref());
        let read = read.expect("a direction");
        let others = read.others.iter();
        let all: Vec<&str> = read
            .waiter
            .iter()
            .chain(others)
            .map(|it| it.thread.as_str())
            .collect();
        assert_eq!(all, ["worker-2", "worker-4", "worker-5"]);
        assert_eq!(look.pollers.last().map(|it| it.waiters), Some(3));
    }

    #[test]
    fn what_was_not_read_may_have_a_socket_that_seems_to_be_in_no_set() {
        let mut table = Table::new(1, Inside::default());
        let mut cut = facts();
        cut.are_cut = true;
        let look = table.at(100, cut, &Listing::default(), Reading::default());
        let unpolled = keys(&look).into_iter().filter(|it| it.0 == "unpolled");
        // For this one a thread waits in a call of its own.
        assert_eq!(unpolled.collect::<Vec<_>>(), [("unpolled", 7, false)]);
    }

    #[test]
    fn a_number_that_stands_for_another_file_is_another_descriptor() {
        let mut table = Table::new(1, Inside::default());
        let id = |look: &Look, at: usize| (look.rows[at].slot, look.rows[at].generation);
        let first = table.at(100, facts(), &Listing::default(), Reading::default());
        let same = table.at(200, facts(), &Listing::default(), Reading::default());
        assert_eq!(id(&first, 5), id(&same, 5));
        let mut other = facts();
        other.files[5] = file(7, "pipe:[71]");
        // What the set watches is not what has its number now.
        other.files[3] = OpenFile {
            inode: 1029,
            ..file(5, "/dev/null")
        };
        let other = table.at(300, other, &Listing::default(), Reading::default());
        assert_eq!(id(&first, 5).0, id(&other, 5).0);
        assert!(id(&first, 5).1 < id(&other, 5).1);
        let reused = &other.rows[1];
        assert!(
            reused.stale && reused.label.is_empty() && reused.generation == 0,
            "{reused:?}"
        );
        assert_eq!(first.pollers[0].id, other.pollers[0].id);
    }
}
