//! One process that is looked at, and what is known of it at a moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use netpoller_core::view;
use netpoller_proto::PROTOCOL;
use netpoller_proto::v1::{
    self, Descriptor, GetServerResponse, GetStatsResponse, PollerStats, TaskState,
};
use tonic::Status;

use super::auxv;
use super::facts::{self, Registered};
use super::inside::Inside;
use super::lints;
use super::look::Look;
use super::runtime::Runtime;
use super::table::Table;
use crate::source::{procfs, serve};

/// The kernel keeps the process from registering and from its events while it lists an epoll set:
/// it is asked no more often than that.
const FRESH: Duration = Duration::from_millis(900);

/// What is served of one process.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) pid: u32,
    start_ticks: u64,
    /// When it began: with this one process is told from another.
    pub(super) epoch: u64,
    /// What tells its program from one that it runs later, if that may be read.
    program: Option<Vec<u8>>,
    runtime: Runtime,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    table: Table,
    /// The last look, and when it was over.
    last: Option<(Arc<Look>, Instant)>,
}

impl Outside {
    /// Fails if the process may not be looked at, or has ended.
    pub(super) fn new(pid: u32, runtime: Runtime) -> Result<Arc<Self>, Status> {
        let start_ticks = procfs::start_ticks(pid).unwrap_or(0);
        let outside = Self {
            pid,
            program: auxv::entries(pid),
            start_ticks,
            epoch: procfs::started_ns(start_ticks).max(1),
            seen: Mutex::new(Seen {
                table: Table::new(pid, Inside::open(pid, &runtime)),
                last: None,
            }),
            runtime,
        };
        outside.now()?;
        Ok(Arc::new(outside))
    }

    /// A look at it that is as new as [`FRESH`].
    fn now(&self) -> Result<Arc<Look>, Status> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((look, at)) = &seen.last
            && at.elapsed() < FRESH
        {
            return Ok(look.clone());
        }
        // The number may be another process's by now, or nobody has waited for its end yet.
        let is_there = procfs::state(self.pid).is_some_and(|(state, start_ticks)| {
            start_ticks == self.start_ticks && !matches!(state, 'Z' | 'X')
        });
        if !is_there {
            return Err(Status::unavailable(format!(
                "process {} has ended",
                self.pid
            )));
        }
        // The memory of the one before cannot be read any more, and says nothing of this one.
        if self.program.is_some()
            && auxv::entries(self.pid).is_some_and(|it| Some(it) != self.program)
        {
            return Err(Status::unavailable(format!(
                "process {} runs another program than before (execve)",
                self.pid
            )));
        }
        // Two of them would take twice the memory.
        seen.last = None;
        let look = seen.table.look().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Status::unavailable(format!("process {} has ended", self.pid))
            }
            _ => Status::permission_denied(error.to_string()),
        })?;
        let look = Arc::new(look);
        seen.last = Some((look.clone(), Instant::now()));
        Ok(look)
    }

    /// The same, without keeping others waiting.
    pub(super) async fn look(self: &Arc<Self>) -> Result<Arc<Look>, Status> {
        let outside = self.clone();
        let look = tokio::task::spawn_blocking(move || outside.now()).await;
        look.map_err(|_| Status::internal("looking at the process has failed: a bug"))?
    }

    /// The last look, if it was at this moment: further pages of a listing are of the same look.
    pub(super) fn look_at(&self, captured_at_ns: u64) -> Option<Arc<Look>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (look, _) = seen.last.as_ref()?;
        (look.captured_at_ns == captured_at_ns).then(|| look.clone())
    }

    /// The rows of a look.
    pub(super) fn table<'a>(&self, look: &'a Look) -> serve::Table<'a> {
        serve::Table {
            captured_at_ns: look.captured_at_ns,
            epoch: self.epoch,
            rows: &look.rows,
            sockets_at_ns: look.sockets_at_ns,
            sockets_error: &look.sockets_error,
        }
    }

    pub(super) fn server(&self, look: &Look) -> GetServerResponse {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_ns = view::now_ns();
        GetServerResponse {
            protocol: PROTOCOL,
            pid: self.pid,
            executable: procfs::executable(self.pid),
            start_ticks: self.start_ticks,
            captured_at_ns: now_ns,
            wall_clock_ns: wall.map_or(0, |it| u64::try_from(it.as_nanos()).unwrap_or(0)),
            started_at_ns: self.epoch,
            pollers: look.pollers.clone(),
            lints: lints::listed(look),
            outside: Some(v1::Outside {
                runtime: self.runtime.to_string(),
                missing: look.missing.clone(),
            }),
            ..GetServerResponse::default()
        }
    }

    /// What the kernel says of one descriptor.
    pub(super) fn kernel(
        &self,
        look: &Look,
        row: &Descriptor,
        poller: Option<&v1::Poller>,
    ) -> v1::KernelView {
        let set = poller.and_then(|it| look.sets.get(&it.epoll_fd));
        let inode = look.files.get(&row.fd).copied().unwrap_or(0);
        let is_it = |it: &&Registered| it.fd == row.fd && it.may_be_of(inode);
        let registered = set.and_then(|all| all.iter().find(is_it));
        v1::KernelView {
            events: registered.map_or(0, |it| it.events),
            blocking: facts::is_blocking(self.pid, row.fd).unwrap_or(false),
            inode: look.inodes.get(&row.fd).copied().unwrap_or(0),
            error: "what it is ready for now, which only the process itself can ask".to_owned(),
            ..serve::one::kernel(row, poller, look.captured_at_ns)
        }
    }

    /// What the process's own runtime keeps of a descriptor, and the row with the calls that those
    /// who wait are in.
    pub(super) fn kept(
        &self,
        look: &Look,
        row: &Descriptor,
        poller: Option<&v1::Poller>,
    ) -> (Descriptor, Option<v1::Kept>) {
        let mut row = row.clone();
        let kept = poller.and_then(|it| look.kept.get(&(it.epoll_fd, row.fd)));
        let Some(kept) = kept.filter(|_| !row.stale) else {
            return (row, None);
        };
        let sides = [(&mut row.read, &kept.read), (&mut row.write, &kept.write)];
        for (told, side) in sides {
            let told = told.as_mut().map(|it| (&mut it.waiter, &mut it.others));
            let Some((waiter, others)) = told else {
                continue;
            };
            let told = waiter.iter_mut().chain(others);
            for (told, waiter) in told.zip(side.waiter.iter().chain(&side.others)) {
                told.stack = waiter.stack.told();
                let within = waiter.stack.within.as_ref();
                told.within = within.map_or(Vec::new(), |it| it.told());
            }
        }
        let kept = v1::Kept {
            r#type: kept.kind.to_owned(),
            address: kept.address,
            sequence: kept.sequence,
        };
        (row, Some(kept))
    }

    pub(super) fn stats(&self, look: &Look) -> GetStatsResponse {
        let tasks = |poller: &v1::Poller| {
            let tasks = look.tasks.get(&poller.epoll_fd);
            let tasks = tasks.into_iter().flat_map(|it| &it.counted);
            let told = tasks.map(|(state, count)| TaskState {
                state: state.clone(),
                count: *count,
            });
            told.collect()
        };
        let pollers = look.pollers.iter().map(|poller| PollerStats {
            poller: Some(poller.clone()),
            tasks: tasks(poller),
            ..PollerStats::default()
        });
        GetStatsResponse {
            captured_at_ns: look.captured_at_ns,
            pollers: pollers.collect(),
            epoch: self.epoch,
            ..GetStatsResponse::default()
        }
    }
}
