//! The kernel's list of registrations against the table: a socket that is registered twice, and a
//! registration whose descriptor the table no longer knows.

use std::collections::{HashMap, HashSet};

use super::finding::Finding;
use super::kernel_list::KernelList;
use super::lint::Lint;
use super::observation::Observation;
use super::span;
use super::{INODE, SUSPECTS};
use crate::observe::DescId;
use crate::sys::{mask_names, query};
use crate::view::kernel::Registration;
use crate::view::line::Place;
use crate::view::raw::RawRow;
use crate::view::recorder::closed_at;

/// What was seen of one poller.
#[derive(Debug, Default)]
pub(super) struct Registrations {
    read_ns: Option<u64>,
    /// What was odd in the last reading: by id, and by inode.
    ghosts: HashMap<DescId, Odd<Registration>>,
    duplicates: HashMap<u64, Odd<Vec<Registration>>>,
    /// When the ghosts that were told of were closed; `None` where the recorder no longer knows.
    closed: HashMap<DescId, Option<u64>>,
}

/// Something odd in the list. Once is nothing: it may have been closed between the reading of the
/// list and of the table.
#[derive(Debug)]
struct Odd<T> {
    first_ns: u64,
    readings: u32,
    what: T,
}

impl<T> Odd<T> {
    /// Seen again, if it was in the reading before.
    fn again(before: Option<&Odd<T>>, what: T, now_ns: u64) -> Self {
        Self {
            first_ns: before.map_or(now_ns, |odd| odd.first_ns),
            readings: before.map_or(0, |odd| odd.readings) + 1,
            what,
        }
    }

    fn is_certain(&self, now_ns: u64, hold_ns: u64) -> bool {
        self.readings >= 2 && now_ns.saturating_sub(self.first_ns) > hold_ns
    }
}

impl Registrations {
    pub(super) fn look(
        &mut self,
        observation: &Observation<'_>,
        list: &mut KernelList,
    ) -> Vec<Finding> {
        let runs = observation.runs(Lint::GhostRegistration)
            || observation.runs(Lint::DuplicateRegistration);
        if !runs {
            return Vec::new();
        }
        if let Some((read_ns, list)) = list.get(observation)
            && self.read_ns != Some(read_ns)
        {
            self.read_ns = Some(read_ns);
            self.read(observation, list);
        }
        let mut findings = Vec::new();
        if observation.runs(Lint::GhostRegistration) {
            let hold_ns = observation.hold_ns(Lint::GhostRegistration);
            let certain = self
                .ghosts
                .values()
                .filter(|odd| odd.is_certain(observation.now_ns, hold_ns));
            let certain: Vec<_> = certain.take(SUSPECTS).collect();
            let holders = holders(certain.iter().map(|odd| odd.what.inode).collect());
            let id = |odd: &Odd<Registration>| odd.what.id;
            let ids: HashSet<_> = certain.iter().map(|odd| id(odd)).collect();
            self.closed.retain(|id, _| ids.contains(id));
            let new: HashSet<_> = ids
                .into_iter()
                .filter(|id| !self.closed.contains_key(id))
                .collect();
            if !new.is_empty() {
                let known = closed_at(observation.poller, &new);
                let closed = new.into_iter().map(|id| (id, known.get(&id).copied()));
                self.closed.extend(closed);
            }
            findings.extend(certain.iter().map(|odd| {
                let closed_ns = self.closed.get(&id(odd)).copied().flatten();
                describe_ghost(observation, odd, closed_ns, &holders)
            }));
        }
        if observation.runs(Lint::DuplicateRegistration) {
            let hold_ns = observation.hold_ns(Lint::DuplicateRegistration);
            let certain = self
                .duplicates
                .values()
                .filter(|odd| odd.is_certain(observation.now_ns, hold_ns));
            findings.extend(
                certain
                    .take(SUSPECTS)
                    .filter_map(|odd| describe_duplicates(observation, &odd.what)),
            );
        }
        findings
    }

    fn read(&mut self, observation: &Observation<'_>, list: &[Registration]) {
        // The slots are looked at after the list was read: what was opened before it is live,
        // unless it was closed since.
        let cache = &observation.poller.shared.cache;
        let is_live = |entry: &Registration| {
            cache
                .get(entry.id.slot)
                .is_some_and(|desc| desc.is_live(entry.id.generation))
        };
        let is_socket = |entry: &Registration| {
            query::file_id(entry.fd).is_ok_and(|id| id.is_socket && id.inode == entry.inode)
        };
        let ghosts = ghosts(list, is_live).into_iter().map(|ghost| {
            let key = ghost.id;
            (
                key,
                Odd::again(self.ghosts.get(&key), ghost, observation.now_ns),
            )
        });
        let ghosts = ghosts.collect();
        let duplicates = duplicates(list, is_live, is_socket)
            .into_iter()
            .map(|entries| {
                let inode = entries[0].inode;
                (
                    inode,
                    Odd::again(self.duplicates.get(&inode), entries, observation.now_ns),
                )
            });
        self.duplicates = duplicates.collect();
        self.ghosts = ghosts;
    }
}

/// Entries whose descriptor the table does not know. The poller's own have generation 0.
fn ghosts(list: &[Registration], is_live: impl Fn(&Registration) -> bool) -> Vec<Registration> {
    list.iter()
        .filter(|entry| entry.id.generation != 0 && !is_live(entry))
        .copied()
        .collect()
}

/// Live entries of the same socket. Only sockets: the ends of a pipe share an inode, and so do all
/// eventfds.
fn duplicates(
    list: &[Registration],
    is_live: impl Fn(&Registration) -> bool,
    is_socket: impl Fn(&Registration) -> bool,
) -> Vec<Vec<Registration>> {
    let mut seen = HashSet::new();
    let twice: HashSet<u64> = list
        .iter()
        .filter(|entry| entry.id.generation != 0 && !seen.insert(entry.inode))
        .map(|entry| entry.inode)
        .collect();
    let mut by_inode: HashMap<u64, Vec<Registration>> = HashMap::new();
    for entry in list.iter().filter(|entry| twice.contains(&entry.inode)) {
        if entry.id.generation != 0 && is_live(entry) && is_socket(entry) {
            by_inode.entry(entry.inode).or_default().push(*entry);
        }
    }
    by_inode
        .into_values()
        .filter(|entries| entries.len() > 1)
        .collect()
}

fn describe_ghost(
    observation: &Observation<'_>,
    odd: &Odd<Registration>,
    closed_ns: Option<u64>,
    holders: &Holders,
) -> Finding {
    let (ghost, first_ns) = (&odd.what, odd.first_ns);
    let id = observation.id(ghost.id);
    let summary = format!(
        "the kernel still has the registration of {id}, which the table has closed: a duplicate of descriptor {} keeps it alive",
        ghost.fd
    );
    let finding = match closed_ns {
        Some(closed_ns) => {
            Finding::of_poller(Lint::GhostRegistration, observation, closed_ns, summary)
        }
        None => {
            Finding::of_poller(Lint::GhostRegistration, observation, first_ns, summary).first_seen()
        }
    };
    finding
        .evidence("registered as", id)
        .evidence("number when registered", ghost.fd.to_string())
        .evidence(INODE, ghost.inode.to_string())
        .evidence("held open by", held_by(holders.get(&ghost.inode)))
        .evidence("registered for", mask_names(ghost.events))
        .evidence("seen for", span(observation.age_ns(first_ns)))
}

/// The numbers in this process that stand for each of some sockets, by inode.
type Holders = HashMap<u64, Vec<i32>>;

/// Looks at each open descriptor once, however many sockets are looked for: a process may have a
/// hundred thousand.
fn holders(wanted: HashSet<u64>) -> Holders {
    let mut holders = Holders::new();
    if wanted.is_empty() {
        return holders;
    }
    let numbers = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    for entry in numbers {
        let inode = std::fs::read_link(entry.path())
            .ok()
            .and_then(|link| socket_inode(link.to_str()?))
            .filter(|inode| wanted.contains(inode));
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let (Some(inode), Some(number)) = (inode, number) {
            holders.entry(inode).or_default().push(number);
        }
    }
    holders
}

/// The inode of `socket:[1234]`.
fn socket_inode(link: &str) -> Option<u64> {
    let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

fn held_by(numbers: Option<&Vec<i32>>) -> String {
    let Some(numbers) = numbers else {
        return "no descriptor of this process that is a socket: perhaps another process"
            .to_owned();
    };
    let mut numbers = numbers.clone();
    numbers.sort_unstable();
    let names: Vec<_> = numbers
        .iter()
        .map(|number| format!("descriptor {number}"))
        .collect();
    names.join(", ")
}

fn describe_duplicates(observation: &Observation<'_>, entries: &[Registration]) -> Option<Finding> {
    let row = |entry: &Registration| -> Option<&RawRow> {
        observation.rows.iter().find(|row| row.id() == entry.id)
    };
    let first = entries.iter().find_map(row)?;
    let all: Vec<_> = entries
        .iter()
        .map(|entry| {
            let id = observation.id(entry.id);
            format!("{id} (descriptor {})", entry.fd)
        })
        .collect();
    let summary = format!(
        "one socket is registered {} times: every event wakes the waiters of all, and one of them takes it",
        entries.len()
    );
    // Since the second of them.
    let mut moments: Vec<_> = entries
        .iter()
        .filter_map(row)
        .map(|row| row.opened_at_ns)
        .collect();
    moments.sort_unstable();
    let since_ns = moments.get(1).or(moments.first()).copied()?;
    let opened = entries
        .iter()
        .filter_map(row)
        .filter_map(|row| row.opened_location);
    let lines: HashSet<_> = opened.map(|at| Place::from(at).to_string()).collect();
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort();
    Some(
        Finding::of_row(
            Lint::DuplicateRegistration,
            observation,
            first,
            None,
            since_ns,
            summary,
        )
        .evidence("registrations", all.join(", "))
        .evidence("registered at", lines.join(", "))
        .evidence(INODE, entries[0].inode.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fd: i32, slot: u32, generation: u32, inode: u64) -> Registration {
        Registration {
            fd,
            events: 1,
            id: DescId { slot, generation },
            inode,
            device: 9,
        }
    }

    #[test]
    fn an_entry_that_the_table_does_not_know_is_a_ghost_and_the_pollers_own_are_none() {
        let list = [
            entry(5, 0, 1, 100),
            entry(6, 1, 1, 101),
            entry(4, u32::MAX, 0, 7),
        ];
        assert_eq!(ghosts(&list, |entry| entry.id.slot == 0), [list[1]]);
    }

    #[test]
    fn all_numbers_of_a_socket_are_found_and_no_others() {
        use std::os::fd::AsRawFd;
        let (socket, peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let duplicate = socket.try_clone().unwrap();
        let inode = |socket: &std::os::unix::net::UnixStream| {
            query::file_id(socket.as_raw_fd()).unwrap().inode
        };
        let holders = holders(HashSet::from([inode(&socket), u64::MAX]));
        let mut numbers = [socket.as_raw_fd(), duplicate.as_raw_fd()];
        numbers.sort_unstable();
        assert_eq!(
            held_by(holders.get(&inode(&socket))),
            format!("descriptor {}, descriptor {}", numbers[0], numbers[1])
        );
        assert!(!holders.contains_key(&inode(&peer)));
        assert!(held_by(holders.get(&u64::MAX)).contains("another process"));
        assert_eq!(socket_inode("pipe:[12]"), None);
    }

    #[test]
    fn what_is_odd_in_one_reading_is_nothing_however_long_ago_that_was() {
        let once = Odd::again(None, (), 1_000);
        assert!(!once.is_certain(1_000_000, 100));
        let twice = Odd::again(Some(&once), (), 2_000);
        assert!(twice.is_certain(2_000, 100) && !twice.is_certain(1_050, 100));
    }

    #[test]
    fn a_socket_that_two_live_descriptors_share_is_a_duplicate_and_a_pipe_is_not() {
        let list = [
            entry(5, 0, 1, 100),
            entry(6, 1, 1, 100),
            entry(7, 2, 1, 101),
            entry(8, 3, 1, 102),
            entry(9, 4, 1, 102),
        ];
        let found = duplicates(&list, |_| true, |entry| entry.inode != 102);
        assert_eq!(found, [vec![list[0], list[1]]]);
        // One of the two is a ghost.
        assert!(
            duplicates(
                &list,
                |entry| entry.id.slot != 1,
                |entry| entry.inode != 102
            )
            .is_empty()
        );
    }
}
