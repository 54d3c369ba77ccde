//! Acting on the pollers, on a listener of its own.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use netpoller_core::{Direction, Error, Kind, time};
use netpoller_proto::v1;
use netpoller_proto::v1::control_client::ControlClient;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::Code;
use tonic::transport::Channel;

use crate::fixture::{channel, open, park, poller, run};
use crate::methods::control::control_service;

async fn client(directory: &tempfile::TempDir) -> ControlClient<Channel> {
    let path = directory.path().join("control");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(control_service())
            .serve_with_incoming(UnixListenerStream::new(listener)),
    );
    ControlClient::new(channel(path).await.unwrap())
}

#[test]
fn an_evicted_descriptor_lets_its_waiters_go_and_refuses_all_that_comes() {
    let directory = tempfile::tempdir().unwrap();
    let poller = poller("evicting");
    let (_ours, _theirs, desc) = open(&poller);
    let request = v1::EvictRequest {
        poller: "evicting".into(),
        id: desc.id().to_string(),
    };
    let mut read = pin!(desc.wait(Direction::Read));
    let mut write = pin!(desc.wait(Direction::Write));
    park(read.as_mut());
    park(write.as_mut());
    let (first, second) = run(async {
        let mut client = client(&directory).await;
        let first = client.evict(request.clone()).await.unwrap().into_inner();
        (first, client.evict(request).await.unwrap().into_inner())
    });
    assert_eq!(
        first,
        v1::EvictResponse {
            evicted: true,
            released: 2
        }
    );
    assert_eq!(
        second,
        v1::EvictResponse {
            evicted: false,
            released: 0
        }
    );
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(
        read.as_mut().poll(&mut context),
        Poll::Ready(Err(Error::Closed))
    ));
    assert!(matches!(desc.reset(Direction::Write), Err(Error::Closed)));
    assert_eq!(poller.rows().len(), 1, "it is still its owner's to close");
}

#[test]
fn nobody_is_evicted_by_the_id_of_somebody_who_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let poller = poller("recycling");
    let (_a, _b, gone) = open(&poller);
    let id = gone.id().to_string();
    gone.close();
    let (_ours, _theirs, desc) = open(&poller);
    assert_eq!(
        desc.id().to_string().split('.').next(),
        id.split('.').next(),
        "the slot is used again"
    );
    let _current = poller.enter();
    let mut sleep = pin!(time::sleep(Duration::from_secs(3600)));
    park(sleep.as_mut());
    let rows = poller.rows();
    let sleep = rows.iter().find(|row| row.kind == Kind::Timer).unwrap();
    run(async {
        let mut client = client(&directory).await;
        for (id, code) in [
            (id, Code::NotFound),
            (sleep.id().to_string(), Code::FailedPrecondition),
        ] {
            let request = v1::EvictRequest {
                poller: "recycling".into(),
                id,
            };
            assert_eq!(client.evict(request).await.unwrap_err().code(), code);
        }
    });
    assert!(desc.check(Direction::Read).is_ok());
}

#[test]
fn a_break_is_written_once_until_a_poll_takes_it() {
    let directory = tempfile::tempdir().unwrap();
    let _poller = poller("breaking");
    let request = v1::BreakRequest {
        poller: "breaking".into(),
    };
    run(async {
        let mut client = client(&directory).await;
        for written in [true, false] {
            let answer = client.r#break(request.clone()).await.unwrap().into_inner();
            assert_eq!(answer.written, written);
        }
    });
}
