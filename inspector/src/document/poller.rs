//! A row of the table of pollers.

use netpoller_proto::v1::{self, Poller};

use crate::table::{Context, counted};

/// A row of `ls pollers`.
#[derive(serde::Serialize)]
pub(crate) struct PollerItem<'a> {
    name: &'a str,
    id: u32,
    epoll_fd: i32,
    driver: &'a str,
    descriptors: u64,
    slots: Option<u64>,
    waiters: Option<u64>,
    deadlines: Option<u64>,
    /// Not known of an epoll set in which nobody is seen to wait.
    blocked: Option<bool>,
    last_poll_ns: Option<u64>,
    created_at: Option<String>,
    created_at_ns: u64,
    polled_by: Vec<PollingThread<'a>>,
}

/// A thread that polls it, or has.
#[derive(serde::Serialize)]
pub(super) struct PollingThread<'a> {
    name: &'a str,
    tid: i32,
    polls: u64,
    ran_ns: Option<u64>,
    run_delay_ns: Option<u64>,
}

pub(super) fn polled_by(threads: &[v1::PollingThread]) -> Vec<PollingThread<'_>> {
    let each = threads.iter().map(|it| PollingThread {
        name: &it.name,
        tid: it.tid,
        polls: it.polls,
        ran_ns: it.ran_ns,
        run_delay_ns: it.run_delay_ns,
    });
    each.collect()
}

pub(crate) fn poller<'a>(poller: &'a Poller, context: &Context) -> PollerItem<'a> {
    PollerItem {
        name: &poller.name,
        id: poller.id,
        epoll_fd: poller.epoll_fd,
        driver: &poller.driver,
        descriptors: poller.descriptors,
        slots: counted(poller, poller.slots),
        waiters: counted(poller, poller.waiters.max(0).unsigned_abs()),
        deadlines: counted(poller, poller.deadlines),
        blocked: counted(poller, poller.blocked.into()).map(|_| poller.blocked),
        last_poll_ns: (poller.last_poll_ns != 0).then_some(poller.last_poll_ns),
        created_at: context.anchor.rfc3339(poller.created_at_ns),
        created_at_ns: poller.created_at_ns,
        polled_by: polled_by(&poller.polled_by),
    }
}
