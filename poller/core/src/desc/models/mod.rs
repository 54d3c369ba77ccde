//! Models of the descriptor: loom runs each under every interleaving and every memory order that
//! the language allows, up to a bound of preemptions.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 cargo test -p netpoller-core --lib --release loom_ --target-dir target/loom
//! ```
//!
//! Pairs run at the bound of the environment, 2 without one; what three threads do to one word runs
//! at bound 3 at least.
//!
//! # Every pair
//!
//! What can happen to a descriptor: a waiter **P**arks, **I**/O becomes ready, a deadline
//! **F**ires, a deadline is **S**et, **C**lose or eviction, free and **R**euse of the slot, a
//! **B**reak, another **W**aker, and **D**rop of the future. Files are those beside this one, or,
//! after `poller/`, those of `poller/models`.
//!
//! | pair | model |
//! |---|---|
//! | P P | `io`: one of two waiters is busy |
//! | P I | `io`: a reader is woken by the edge that follows its eagain |
//! | P F | `deadline`: a waiter is released by its deadline |
//! | P S | `poller/deadlines`: a waiter is released by a deadline set to the past; `deadline`: cleared again |
//! | P C | `close`: a waiter is released by close |
//! | P R | `recycle`: a slot is not reused while a poller takes a waker out (the next life parks) |
//! | P B | `poller/breaks`: a wait that parks beside a break |
//! | P W | `polled`: of two poll functions at a time (one wait is polled by one thread, so only these can meet) |
//! | P D | `drop`: a waiter on another thread meets the dropping one |
//! | I I | `io`: a reader gets both bytes that two pollers announce |
//! | I F | `deadline`: an edge beside a deadline; readiness outlives a wait that timed out |
//! | I S | `poller/deadlines`: an edge beside a deadline set to the past is kept |
//! | I C | `poller/lives`: an edge beside a close is kept and wakes once |
//! | I R | `recycle`: an old event in flight; golang/go#59545 |
//! | I B | `poller/breaks`: a break hides no edge and an edge no break |
//! | I W | `io`: the last waker is the one that is called |
//! | I D | `drop`: readiness outlives the future that was dropped beside it |
//! | F F | `poller/deadlines`: of two pollers that fire at once one releases the waiter |
//! | F S | `poller/deadlines`: moved while it fires; cleared and set while it fires |
//! | F C | `poller/deadlines`: a deadline that fires beside an eviction does not take its place |
//! | F R | `poller/deadlines`: semantics 33, a deadline that fires late does not reach the next life |
//! | F B | `poller/breaks`: a break is shared with a deadline that fires and is queued again |
//! | F W | `poller/deadlines`: the last waker is the one that a deadline calls |
//! | F D | `drop`: a future dropped beside its deadline leaves no claim |
//! | S S | `poller/deadlines`: two deadlines set at once on one descriptor are both kept |
//! | S C | `poller/deadlines`: semantics 34, a deadline beside an eviction leaves nothing behind |
//! | S R | `poller/lives`: a deadline in the queue outlives the reuse of another slot (one's own handle keeps its slot) |
//! | S B | `poller/breaks`: a break beside a deadline that breaks too; `poller/sleeps`: tokio#3190 |
//! | S W | `poller/deadlines`: a past deadline calls the last waker |
//! | S D | `poller/deadlines`: a future dropped beside a past deadline |
//! | C C | `poller/lives`: of two evictions one is the first |
//! | C R | `poller/lives`: an eviction from outside does not reach the next life |
//! | C B | `poller/breaks`: a waiter is released by a close beside a break |
//! | C W | `poller/lives`: a close calls the last waker |
//! | C D | `poller/lives`: a future dropped beside a close is counted off once |
//! | R R | `poller/lives`: two slots that are reused at once stay two |
//! | R B | `poller/breaks`: a break is never taken for an event of a slot that is reused |
//! | R W | `poller/lives`: a wait left behind with another waker does not reach into the next life |
//! | R D | `recycle`: a slot is not reused while a poller takes a waker out (the last life's future is dropped) |
//! | B B | `poller/breaks`: semantics 41 |
//! | B W | `poller/breaks`: the last waker is called although a break comes with the edge |
//! | B D | `poller/breaks`: readiness outlives a future dropped beside a break |
//! | W W | `polled`: of two poll functions at a time, each with a waker of its own |
//! | W D | `poller/waits`: a future dropped beside a poll function takes only its own wait along |
//! | D D | `poller/waits`: futures dropped in both directions are both counted off |
//!
//! Three at a time: P I C in `close`; P F C in `close`; P I F in `deadline`; P F S I in
//! `poller/three`; P I D in `drop`; P W I F in `io`; C R I in `recycle` and `poller/three`; B P S F
//! in `poller/three`; P P I in `io` and `polled`; I D F in `drop`.
//!
//! Every model ends with [`Side::check_laws`]. A lost wake shows as a deadlock, a waker cell with
//! two users as a causality violation, and a thread that waits for nobody as too many branches.
//!
//! # What the models catch
//!
//! Each of these breakages was made once, by hand, and found by the models named;
//! `tests/models/mutants.sh` makes those in `tests/models/mutants` again:
//!
//! | breakage | found by |
//! |---|---|
//! | `unblock` reads the word with a plain load | `deadline`, `close`: a waiter is released by its deadline, by close |
//! | no check after arming | `deadline`, `close`, `polled` |
//! | `ready` skips `waking` | `recycle`: both that reuse the slot |
//! | an edge that meets `waking` is dropped | `drop`: all with an edge; `deadline`: readiness outlives a wait |
//! | a dropped future turns `ready` into `nil` | `drop`, `deadline` |
//! | `unblock` turns `ready` into `nil` | `deadline`, `drop`, `close` |
//! | no claim: a second waiter is let in | `io`: one of two waiters is busy; `drop`: another thread; `polled` |
//! | `recycle` does not wait for `waking` | `recycle`: a slot is not reused |
//! | a rearm counts the waiter again | `io`, `polled`: all that change the waker |
//! | `POLLED` is set before the park is counted | `polled`: two poll functions |
//! | another waker is ignored | `io`: the last waker is called |
//! | a waiter that gives up spinning is not polled again | `drop`: another thread; `io`: changes its waker |
//! | an edge that finds `ready` only reads the word | `io`: whoever takes readiness down sees the mask |
//! | a waiter that meets `waking` sleeps at once | `drop`, `io`, `polled` |
//! | `set_event_err` ignores the generation | `recycle`: go#59545 |
//! | a sleep is published after the deadlines are read | poller: tokio#3190, the earlier of two |
//! | a deadline that fires is not published | poller: moved while it fires |
//! | firing does not queue the next deadline | poller: moved, cleared and set |
//! | close leaves the queue entry | poller: semantics 33 |
//! | a break is requested by compare-exchange | poller: semantics 41, nested poll |
//! | the flag of a break is lowered before the eventfd is read | poller: nested poll gives back |
//! | a nested poll does not give a break back | poller: nested poll gives back |
//! | neither side of a sleep reads by read-modify-write | poller: tokio#3190, the earlier of two |
//! | the time of a break is stored after its flag | poller: a break is never taken back with an earlier one's time |
//! | breaks are not coalesced | poller: semantics 41 |

mod close;
mod deadline;
mod drop;
mod harness;
mod io;
mod polled;
mod recycle;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use loom::thread;

use super::State;
use super::word::Token;
use crate::observe::Direction;

use harness::{BUSY, CLOSED, Outcome, Side, TIMEOUT, spawn};
pub(crate) use harness::{Calls, Parker, explore, explore_three};
