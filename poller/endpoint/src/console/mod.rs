//! The facade for tokio-console: the service `rs.tokio.console.instrument.Instrument` of
//! console-api 0.9.
//!
//! | file | holds |
//! |---|---|
//! | `service` | the calls of the client: the stream of updates, its pause, the histograms of a task |
//! | `process` | what is looked at, as far as the model knows it |
//! | `live` | this process, read in its live tables |
//! | `told` | another one, or a recording: what messages tell of it |
//! | `model` | what is shown, brought up to date when somebody looks |
//! | `model/pollers` | pollers, their eventfds, and what is not listed |
//! | `model/descriptors` | descriptors, their deadlines, and who waits for them |
//! | `model/replay` | who ran when, from the flight recorder |
//! | `model/lost` | who waits for what will not come |
//! | `tasks` | who waits, and what its wakes and waits tell of it |
//! | `attributes` | what is said of a poller, a descriptor and a wait |
//! | `entities` | resources, async ops and tasks, before they are messages |
//! | `ids` | small numbers for them, used again |
//! | `update` | what one client was told, and the messages that tell it the rest |
//! | `messages` | entities as messages |
//! | `histogram` | durations as the client draws them |
//! | `wall` | the wall clock of the messages |
//!
//! # What is what
//!
//! | here | there |
//! |---|---|
//! | poller | resource `poller`, parent of all of its own |
//! | the eventfd that wakes whoever polls | resource `eventfd`, internal, child of the poller, with the breaks that were counted |
//! | descriptor | resource `tcp`, `udp`, …, with the line that opened it |
//! | armed deadline | resource `Timer`, child of the descriptor, for as long as it is armed |
//! | sleep | resource `Timer`, child of the poller |
//! | the waits of one direction | one async op for as long as the descriptor lives: `wait_read`, `wait_write`, `accept` |
//! | the wait for a connection to be made | an async op `connect`; it ends when the writer first waits for something else |
//! | task, or thread outside of any | task, for as long as a live descriptor names it as the one that waits or waited last |
//! | what is beyond 5000 descriptors | one resource `more` |
//!
//! `fdseq` is the descriptor's id in all other tools: its slot and its generation, Go's word of
//! that name. Go's `rseq` and `wseq` tell a timer that it is stale; here the generation does that,
//! and the deadline itself when one has moved, so there are no such words. What bears their names
//! is the number of the last wait that found nothing ready, by direction and in this life of the
//! descriptor: the same number, and still `parked`, is the same wait.
//!
//! # Of what process
//!
//! The model asks a `Process`, and does not know which. Of this one nothing is copied that has not
//! changed. Another one, such as one that was recorded, is what messages tell of it: of the same
//! moment the same is shown, as far as they tell it. They do not tell the number of the eventfd,
//! nor who waited last: that is who was last seen waiting. Events have the names of their threads,
//! which several may have: a task was busy only from where it ran to where it parked again with
//! nothing of that name between. What was overwritten is told of a process with one poller only.
//!
//! # Which numbers are exact
//!
//! All is read once a second, and not at all while no tokio-console is attached. States, times of
//! the last wake and counts of waits are those of the table at that moment. A descriptor that comes
//! and goes between two looks is not seen, the end of one is noted when it is missed, and sleeps
//! are listed when they have lasted a second. The histograms of a task are made of what the flight
//! recorder holds at each look, every event of it; where it had overwritten some since the last,
//! busy and scheduled time count those that are left the more, and the poller's `overwritten`
//! counts those that are not.
//!
//! The client's header says `dropped` when something should be shown and is not: a row that changed
//! faster than it could be read, a deadline or a wait that found no number. Each client is told
//! what was dropped since it was told last. What is beyond 5000 descriptors is not dropped, for
//! `more` counts it; nor is what a slow client was not told, for it is told what that came to; nor
//! what the flight recorder has overwritten.
//!
//! A task is `running` from a wake until it parks again, here; the flight recorder tells by the
//! thread where. If it then waits for what is no descriptor of ours it is shown running all the
//! same: nobody tells us. It has ended when no live descriptor has named it for some seconds.
//!
//! What has ended is told to those who subscribe within ten minutes as it was when it ended, and
//! later that it did, until its number is used again; so are all numbers that were never used, for
//! the client may remember another process by them.
//!
//! A task keeps one waker, clones less drops, until the lints find its waiter stuck, or that its
//! edge was lost ([`netpoller_core::view::lints`]): then it has none, and the client warns of a
//! task that has lost its waker. It takes two looks, so two or three seconds.

mod attributes;
mod entities;
mod histogram;
mod ids;
mod live;
mod messages;
mod model;
mod process;
mod service;
mod tasks;
mod told;
mod update;
mod wall;

#[cfg(test)]
mod tests;

pub(super) use live::Live;
pub(super) use service::{Service, service, service_of_told};
pub use told::{Moment, Teller};
