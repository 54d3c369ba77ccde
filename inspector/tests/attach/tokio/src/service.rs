//! What is done by commands. Of each, what it leads to has happened when it ends.

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::Duration;

use crate::bytes;
use crate::descriptor::{Descriptor, Side, open};
use crate::json::Json;
use crate::runtime::Runtime;
use crate::settle::settle;
use crate::waiter::{How, Starter, eventually};

/// Longer than the kernel keeps an acknowledgement back.
const ACKNOWLEDGED: Duration = Duration::from_millis(50);
/// How often a reader is started anew if what had come before ends its wait.
const TRIES: usize = 20;

type Result<T> = std::result::Result<T, String>;

pub struct Service {
    runtime: Runtime,
    stable: BTreeMap<i64, Descriptor>,
    last: i64,
}

impl Service {
    pub fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            stable: BTreeMap::new(),
            last: 0,
        }
    }

    pub fn open(&mut self, kind: &str) -> Result<Vec<i64>> {
        let ends = self.runtime.handle().block_on(open(kind)).map_err(text)?;
        let ids: Vec<i64> = (self.last + 1..).take(ends.len()).collect();
        for (mut end, id) in ends.into_iter().zip(&ids) {
            end.id = *id;
            end.peer = ids.iter().find(|other| *other != id).copied();
            self.stable.insert(*id, end);
            self.last = *id;
        }
        settle()?;
        Ok(ids)
    }

    pub fn close(&mut self, id: i64) -> Result<()> {
        let descriptor = self.find(id)?;
        let waiters = || {
            Side::BOTH
                .into_iter()
                .flat_map(|side| descriptor.waiters(side))
        };
        if waiters().any(|it| it.is_thread()) {
            return Err("a thread waits there, which cannot be ended".to_owned());
        }
        waiters().try_for_each(|it| it.abort())?;
        settle()?;
        let closed = self.stable.remove(&id);
        if let Some(peer) = closed.and_then(|it| self.stable.get_mut(&it.peer?)) {
            peer.peer = None;
        }
        settle()
    }

    /// Lets somebody wait.
    pub fn park(&mut self, id: i64, side: Side, place: &str, as_thread: bool) -> Result<()> {
        let descriptor = self.find(id)?;
        if !descriptor.has(side) {
            return Err(format!("it has no direction: {}", side.name()));
        }
        let peer = descriptor.peer.and_then(|it| self.stable.get(&it));
        if peer.is_some_and(|it| it.waiters(side.other()).next().is_some()) {
            return Err(format!("its peer waits to {}", side.other().name()));
        }
        if side == Side::Read && descriptor.address.is_none() {
            bytes::take(descriptor.fd).map_err(text)?;
        }
        for _ in 0..TRIES {
            let descriptor = self.find(id)?;
            let is_taken = descriptor.waiters(side).any(|it| it.how != How::List);
            let starter = Starter {
                runtime: &self.runtime,
                as_thread,
                is_taken,
                place,
            };
            let waiter = descriptor.start(side, &starter)?;
            if side == Side::Write {
                thread::sleep(ACKNOWLEDGED);
            }
            settle()?;
            if !waiter.is_over() {
                let descriptor = self.stable.get_mut(&id).ok_or("it is closed")?;
                descriptor.add(side, waiter);
                return Ok(());
            }
            if side == Side::Write {
                break;
            }
        }
        Err("it does not wait".to_owned())
    }

    /// Ends the last wait there that is a task's, as if that had lost interest.
    pub fn wake(&mut self, id: i64, side: Side) -> Result<()> {
        self.find(id)?;
        let descriptor = self.stable.get_mut(&id);
        descriptor.map_or(Ok(()), |it| it.abort(side))?;
        settle()
    }

    /// Gives those that wait what they wait for: bytes, room, or a connection. One of them at least
    /// then waits no more.
    pub fn serve(&self, id: i64, side: Side) -> Result<()> {
        let descriptor = self.find(id)?;
        let before = descriptor.waiters(side).count();
        if before == 0 {
            return Err("nobody waits there".to_owned());
        }
        let is_done = || descriptor.waiters(side).count() < before;
        match side {
            Side::Read => self.give(descriptor)?,
            Side::Write => {
                let peer = self.other_end(descriptor)?;
                eventually(|| bytes::take(peer.fd).is_err() || is_done())?;
                bytes::take(peer.fd).map_err(text)?;
            }
        }
        eventually(is_done)?;
        settle()
    }

    /// Ends a wait by what it waits for, of somebody at the place `loop`, who then waits anew.
    pub fn again(&self, id: i64, side: Side) -> Result<()> {
        let descriptor = self.find(id)?;
        let mut all = descriptor.waiters(side);
        let (Some(waiter), None) = (all.next(), all.next()) else {
            return Err("nobody waits there, or several".to_owned());
        };
        if waiter.place != "loop" || side != Side::Read {
            return Err("nobody waits there in a loop".to_owned());
        }
        let before = waiter.since();
        waiter.set_again(true);
        let sent = self.give(descriptor);
        let anew = sent.and_then(|()| eventually(|| waiter.since() != before));
        // It may look whether it goes on until it waits.
        let settled = settle();
        waiter.set_again(false);
        anew.and(settled)
    }

    /// Sends it something, and does not wait for what comes of that.
    pub fn send(&self, id: i64) -> Result<()> {
        self.give(self.find(id)?)
    }

    /// Lets the kernel tell of it no more, and sends it something.
    pub fn lose(&self, id: i64) -> Result<()> {
        let descriptor = self.find(id)?;
        bytes::lose(descriptor.fd).map_err(text)?;
        self.give(descriptor)?;
        settle()
    }

    /// Lets a reader have a byte, or a connection.
    fn give(&self, to: &Descriptor) -> Result<()> {
        let sent = match (to.address, &*to.kind) {
            (Some(address), _) => bytes::connect(address),
            (None, "udp") => bytes::send(to.fd),
            _ => bytes::send(self.other_end(to)?.fd),
        };
        sent.map_err(text)
    }

    fn other_end(&self, of: &Descriptor) -> Result<&Descriptor> {
        let peer = of.peer.and_then(|it| self.stable.get(&it));
        peer.ok_or_else(|| "its other end is closed".to_owned())
    }

    fn find(&self, id: i64) -> Result<&Descriptor> {
        let found = self.stable.get(&id);
        found.ok_or_else(|| format!("no such descriptor: {id}"))
    }

    /// What is so: of each descriptor, and how many tasks wait.
    pub fn truth(&self) -> (Json, usize) {
        let mut tasks = 0;
        let descriptors = self.stable.values().map(|it| {
            let mut side = |side: Side| {
                if !it.has(side) {
                    return Json::Null;
                }
                tasks += it.waiters(side).filter(|it| !it.is_thread()).count();
                let waiters = it.waiters(side).map(|it| it.fact());
                Json::Object(vec![
                    ("waiters", Json::List(waiters.collect())),
                    ("left", it.left(side).map_or(Json::Null, Json::Number)),
                ])
            };
            let (read, write) = (side(Side::Read), side(Side::Write));
            Json::Object(vec![
                ("id", Json::Number(it.id)),
                ("fd", Json::Number(it.fd.into())),
                ("kind", Json::Text(it.kind.clone())),
                ("peer", Json::Number(it.peer.unwrap_or(0))),
                ("read", read),
                ("write", write),
            ])
        });
        let descriptors = Json::List(descriptors.collect());
        (descriptors, tasks)
    }
}

fn text(error: io::Error) -> String {
    error.to_string()
}
