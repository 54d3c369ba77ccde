//! The turns that others have beside each kind, in each executor.

use super::kinds::KINDS;
use super::*;
use crate::runtime::current_thread;
use futures_lite::future::zip;
use netpoller::driver::ThreadDriver;
use netpoller::{Poller, block_on_poller};
use netpoller_tests::{Lane, new_poller};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Does `work` beside a task that counts its turns, as `run` runs them; says how many they were.
fn turns_beside(start: Start, run: impl FnOnce(&Poller, Work, Work)) -> usize {
    let poller = new_poller();
    let (turns, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let counting = count(turns.clone(), stop.clone());
    let work = start(poller.clone(), OPERATIONS);
    let working = async move {
        // The other one is there first.
        give_way().await;
        work.await;
        stop.store(true, Ordering::Relaxed);
    };
    run(&poller, Box::pin(working), Box::pin(counting));
    turns.load(Ordering::Relaxed)
}

#[track_caller]
fn every_kind_leaves_turns(run: fn(&Poller, Work, Work)) {
    Lane::start(move || {
        let greedy: Vec<_> = KINDS
            .iter()
            .map(|(name, start)| (name, turns_beside(*start, run)))
            .filter(|(_, turns)| *turns < TURNS)
            .collect();
        assert!(greedy.is_empty(), "so many turns of {TURNS}: {greedy:?}");
    })
    .join();
}

#[test]
fn issue_tokio_2160_every_operation_leaves_others_their_turns_in_tokio() {
    every_kind_leaves_turns(|_, work, other| {
        current_thread().block_on(async {
            let other = tokio::spawn(other);
            tokio::spawn(work).await.unwrap();
            other.await.unwrap();
        });
    });
}

#[test]
fn issue_tokio_2160_every_operation_leaves_others_their_turns_in_block_on() {
    every_kind_leaves_turns(|poller, work, other| {
        block_on_poller(poller, zip(work, other));
    });
}

#[test]
fn issue_tokio_2160_every_operation_leaves_others_their_turns_in_an_executor_inside_block_on() {
    every_kind_leaves_turns(|poller, work, other| {
        let executor = async_executor::LocalExecutor::new();
        let both = [executor.spawn(other), executor.spawn(work)];
        block_on_poller(
            poller,
            executor.run(async {
                for task in both {
                    task.await;
                }
            }),
        );
    });
}

#[test]
fn issue_tokio_2160_every_operation_leaves_others_their_turns_beside_a_thread_driver() {
    every_kind_leaves_turns(|poller, work, other| {
        let _driver = ThreadDriver::start(poller).unwrap();
        let executor = async_executor::Executor::new();
        let both = [executor.spawn(other), executor.spawn(work)];
        futures_lite::future::block_on(executor.run(async {
            for task in both {
                task.await;
            }
        }));
    });
}
