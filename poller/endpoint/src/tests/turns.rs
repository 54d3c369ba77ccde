//! Many questions that take long, and one that does not.
//!
//! They run on one thread, as in the endpoint, without a client in between: so the order is the
//! scheduler's, and no matter of time.

use std::future::poll_fn;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use netpoller_core::view::lints::Lint;
use netpoller_core::{Desc, Kind, Poller};
use netpoller_proto::v1;
use netpoller_proto::v1::inspector_server::Inspector;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Code;

use crate::fixture::{asked, open, poller, run};
use crate::methods::turns::{DIAGNOSES, REST};
use crate::service::Service;

/// A table of so many rows, all of one socket.
fn table(name: &str, rows: usize) -> (Poller, Vec<(Desc, UnixStream)>) {
    // The usual limit is 1024.
    rlimit::increase_nofile_limit(4 * rows as u64 + 2000).unwrap();
    let poller = Poller::builder().name(name).build().unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let open = |_| {
        let socket = ours.try_clone().unwrap();
        (poller.open(socket.as_fd(), Kind::Unix).unwrap(), socket)
    };
    let rows = (0..rows).map(open).collect();
    (poller, rows)
}

fn sorted(poller: &str) -> v1::ListDescriptorsRequest {
    v1::ListDescriptorsRequest {
        poller: poller.into(),
        sort_by: "fd".into(),
        descending: true,
        page_size: 10,
        ..Default::default()
    }
}

#[test]
fn cheap_questions_are_answered_between_many_sorted_pages_of_a_large_table() {
    const LISTS: usize = 8;
    const CHEAP: usize = 10;
    let (_poller, rows) = table("walked_in_turns", 4000);
    let fds = rows.iter().map(|(_, socket)| socket.as_raw_fd());
    let last = fds.max().unwrap();
    let service = Arc::new(Service::default());
    let (answered, mut answers) = mpsc::unbounded_channel();
    run(async {
        for _ in 0..LISTS {
            let (service, answered) = (service.clone(), answered.clone());
            tokio::spawn(async move {
                let request = asked(sorted("walked_in_turns"));
                let page = service.list_descriptors(request).await.unwrap();
                let fds = page.into_inner().descriptors;
                assert_eq!((fds.len(), fds[0].fd), (10, last));
                answered.send("list").unwrap();
            });
        }
        // Asked last, and each only when the one before was answered.
        tokio::spawn(async move {
            for _ in 0..CHEAP {
                let request = asked(v1::GetStatsRequest {
                    poller: "walked_in_turns".into(),
                    ..Default::default()
                });
                service.get_stats(request).await.unwrap();
                answered.send("cheap").unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut order = Vec::new();
        while let Some(answer) = answers.recv().await {
            order.push(answer);
        }
        assert_eq!(order.len(), LISTS + CHEAP);
        let last_cheap = order.iter().rposition(|it| *it == "cheap").unwrap();
        let lists_before = order[..last_cheap]
            .iter()
            .filter(|it| **it == "list")
            .count();
        // A page takes more pauses than these questions are, but for the one that was on its way.
        assert!(lists_before <= 1, "{order:?}");
    });
}

#[test]
fn one_page_is_looked_for_at_a_time_and_one_that_is_given_up_makes_room() {
    let (_poller, _rows) = table("walked_one_by_one", 1000);
    let service = Service::default();
    run(async {
        let list = || service.list_descriptors(asked(sorted("walked_one_by_one")));
        let mut first = list();
        let mut second = pin!(list());
        poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending(), "it pauses");
            for _ in 0..100 {
                assert!(second.as_mut().poll(cx).is_pending(), "it is not its turn");
            }
            Poll::Ready(())
        })
        .await;
        drop(first);
        assert_eq!(second.await.unwrap().into_inner().descriptors.len(), 10);
    });
}

#[test]
fn a_description_waits_while_somebody_reads_the_kernels_list() {
    let poller = poller("described_in_turns");
    let (_ours, _theirs, desc) = open(&poller);
    let service = Service::default();
    run(async {
        let turn = service.turns.kernel().await;
        let mut answer = service.get_descriptor(asked(v1::GetDescriptorRequest {
            poller: "described_in_turns".into(),
            id: desc.id().to_string(),
        }));
        poll_fn(|cx| {
            assert!(answer.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(turn);
        let answer = answer.await.unwrap().into_inner();
        assert!(answer.kernel.unwrap().registered);
    });
}

#[tokio::test(start_paused = true)]
async fn a_diagnosis_is_held_back_while_the_kernels_list_rests_and_only_if_it_looks_there() {
    let _poller = poller("diagnosed_at_rest");
    let service = Service::default();
    // One look, as of a client that asks again and again without pause.
    let diagnose = |kernel| {
        service.diagnose(asked(v1::DiagnoseRequest {
            poller: "diagnosed_at_rest".into(),
            kernel,
            window_ns: 1,
            ..Default::default()
        }))
    };
    let reading = service.turns.kernel().await;
    let mut held_back = diagnose(true);
    poll_fn(|cx| {
        assert!(held_back.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    diagnose(false).await.unwrap();
    let read_for = Duration::from_millis(10);
    tokio::time::sleep(read_for).await;
    drop(reading);
    let began = Instant::now();
    held_back.await.unwrap();
    assert_eq!(began.elapsed(), REST * read_for);
}

#[tokio::test(start_paused = true)]
async fn a_diagnosis_walks_through_the_table_when_it_is_its_turn() {
    let _poller = poller("diagnosed_in_turn");
    let service = Service::default();
    let walking = service.turns.walk().await.unwrap();
    let mut diagnosis = service.diagnose(asked(v1::DiagnoseRequest {
        poller: "diagnosed_in_turn".into(),
        window_ns: 1,
        ..Default::default()
    }));
    poll_fn(|cx| {
        assert!(diagnosis.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(walking);
    diagnosis.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_diagnosis_goes_without_the_kernels_list_if_that_does_not_come_in_time() {
    let _poller = poller("diagnosed_without");
    let service = Service::default();
    let diagnose = || {
        service.diagnose(asked(v1::DiagnoseRequest {
            poller: "diagnosed_without".into(),
            kernel: true,
            window_ns: 1_000_000,
            ..Default::default()
        }))
    };
    let needs_it = |lint: &String| lint.parse::<Lint>().unwrap().needs_kernel();
    let reading = service.turns.kernel().await;
    let without = diagnose().await.unwrap().into_inner();
    assert!(!without.lints.iter().any(needs_it), "{:?}", without.lints);
    assert!(!without.lints.is_empty());
    drop(reading);
    // It rests as long as it was held.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let with = diagnose().await.unwrap().into_inner();
    assert!(with.lints.iter().any(needs_it), "{:?}", with.lints);
}

#[test]
fn diagnoses_beyond_two_at_a_time_are_refused_and_told_when_to_ask_again() {
    let _poller = poller("diagnosed_in_turns");
    let service = Service::default();
    let diagnose = |window_ns| {
        service.diagnose(asked(v1::DiagnoseRequest {
            poller: "diagnosed_in_turns".into(),
            window_ns,
            ..Default::default()
        }))
    };
    run(async {
        let mut running: Vec<_> = (0..DIAGNOSES).map(|_| diagnose(500_000_000)).collect();
        poll_fn(|cx| {
            let pending = running
                .iter_mut()
                .all(|it| it.as_mut().poll(cx).is_pending());
            assert!(pending, "each looks for half a second");
            Poll::Ready(())
        })
        .await;
        let refused = diagnose(1_000_000).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.message().contains("ask again"), "{refused}");
        // One that its client gives up, and one that is done.
        drop(running.pop());
        diagnose(1_000_000).await.unwrap();
        running.pop().unwrap().await.unwrap();
        diagnose(1_000_000).await.unwrap();
    });
}
