//! Clients on a real endpoint.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use console_api::Id;
use console_api::instrument::instrument_client::InstrumentClient;
use console_api::instrument::{
    InstrumentRequest, PauseRequest, ResumeRequest, State, StateRequest, TaskDetailsRequest,
    Temporality, Update,
};
use netpoller_core::{Direction, Kind, Poller, ReadyList, task};
use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use rustix::io::ioctl_fionread;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Streaming};

use super::validate::{Client, Known, details};
use crate::fixture::{Fixture, open, run};

/// A client that has subscribed as tokio-console does.
struct Console {
    calls: InstrumentClient<Channel>,
    updates: Streaming<Update>,
    states: Streaming<State>,
    client: Client,
    /// The times of the samples that it was told of.
    nows: BTreeSet<(i64, i32)>,
}

impl Console {
    async fn attach(fixture: &Fixture) -> Self {
        Self::over(InstrumentClient::new(fixture.channel().await)).await
    }

    async fn over(mut calls: InstrumentClient<Channel>) -> Self {
        let updates = calls
            .watch_updates(InstrumentRequest {})
            .await
            .unwrap()
            .into_inner();
        let states = calls
            .watch_state(StateRequest {})
            .await
            .unwrap()
            .into_inner();
        Self {
            calls,
            updates,
            states,
            client: Client::default(),
            nows: BTreeSet::new(),
        }
    }

    fn take(&mut self, update: &Update) {
        let now = update.now.unwrap();
        self.nows.insert((now.seconds, now.nanos));
        self.client.take(update).unwrap();
    }

    async fn next(&mut self) {
        let update = self.updates.next().await.unwrap().unwrap();
        self.take(&update);
    }

    /// Takes the messages that have come, without waiting for any.
    fn take_what_came(&mut self) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut taken = 0;
        while let Poll::Ready(update) = pin!(self.updates.next()).poll(&mut cx) {
            self.take(&update.unwrap().unwrap());
            taken += 1;
        }
        taken
    }

    /// Whether it has been told its state since it was last asked for.
    fn has_state(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        pin!(self.states.next()).poll(&mut cx).is_ready()
    }

    /// Takes messages until one has brought what `found` looks for.
    async fn until<T>(&mut self, mut found: impl FnMut(&Client) -> Option<T>) -> T {
        loop {
            self.next().await;
            if let Some(found) = found(&self.client) {
                return found;
            }
        }
    }

    async fn state(&mut self) -> Temporality {
        self.states.next().await.unwrap().unwrap().temporality()
    }
}

fn labelled(client: &Client, label: &str) -> Option<(u64, Known)> {
    Client::live(&client.resources)
        .find(|(_, known)| {
            known
                .fields
                .get("label")
                .is_some_and(|known| known == label)
        })
        .map(|(id, known)| (id, known.clone()))
}

#[test]
fn a_client_sees_a_descriptor_come_wait_and_go() {
    let poller = Poller::builder().name("console").build().unwrap();
    let (_ours, _theirs, desc) = open(&poller);
    desc.set_label("come-and-go");
    let fixture = Fixture::new();
    run(async {
        let mut console = Console::attach(&fixture).await;
        assert_eq!(console.state().await, Temporality::Live);
        let (resource, _) = console
            .until(|client| labelled(client, "come-and-go"))
            .await;
        {
            let mut wait = pin!(task::named("waiter", desc.wait(Direction::Read)));
            assert!(
                wait.as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            let op = console
                .until(|client| {
                    Client::live(&client.ops)
                        .find(|(_, op)| op.parent == Some(resource))
                        .map(|(_, op)| op.clone())
                })
                .await;
            let task = &console.client.tasks[&op.task.unwrap()];
            assert_eq!(task.fields["task.name"], "waiter");
        }
        desc.close();
        console
            .until(|client| client.resources[&resource].dropped.then_some(()))
            .await;
    });
}

#[test]
fn a_pause_holds_the_messages_of_one_connection_and_of_no_other_and_each_call_is_answered_by_the_state()
 {
    let poller = Poller::builder().name("pauses").build().unwrap();
    let fixture = Fixture::new();
    run(async {
        let mut paused = Console::attach(&fixture).await;
        let mut other = Console::attach(&fixture).await;
        assert_eq!(paused.state().await, Temporality::Live);
        assert_eq!(other.state().await, Temporality::Live);
        // Again too: the client waits for the state whatever it was before.
        for _ in 0..2 {
            paused.calls.pause(PauseRequest {}).await.unwrap();
            assert_eq!(paused.state().await, Temporality::Paused);
        }

        let (_ours, _theirs, desc) = open(&poller);
        desc.set_label("while-paused");
        other.until(|client| labelled(client, "while-paused")).await;
        // Of a sample that was taken in the pause. What was on its way when it began may come late.
        let in_the_pause = *other.nows.last().unwrap();
        let seen = other.nows.len();
        while other.nows.len() < seen + 3 {
            other.next().await;
        }
        paused.take_what_came();
        assert!(labelled(&paused.client, "while-paused").is_none());
        let told = paused.nows.range(in_the_pause..).next();
        assert_eq!(told, None, "not even the time");
        assert!(!other.has_state() && !paused.has_state());

        for _ in 0..2 {
            paused.calls.resume(ResumeRequest {}).await.unwrap();
            assert_eq!(paused.state().await, Temporality::Live);
        }
        paused
            .until(|client| labelled(client, "while-paused"))
            .await;
        assert!(!other.has_state(), "nobody has told it anything");
    });
}

#[test]
fn the_details_of_a_task_are_its_wakes_and_runs_until_it_ends_and_an_unknown_one_is_not_found() {
    let poller = Poller::builder().name("detailed").build().unwrap();
    let (mut ours, mut theirs, desc) = open(&poller);
    desc.set_label("detailed");
    let fixture = Fixture::new();
    run(async {
        use std::io::{Read, Write};
        let mut console = Console::attach(&fixture).await;
        let unknown = TaskDetailsRequest {
            id: Some(Id { id: 7777 }),
        };
        let status = console.calls.watch_task_details(unknown).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);

        let mut turns = Box::pin(task::named("turns", async {
            for _ in 0..4 {
                desc.wait(Direction::Read).await.unwrap();
                ours.read_exact(&mut [0]).unwrap();
                desc.reset(Direction::Read).unwrap();
            }
        }));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(turns.as_mut().poll(&mut cx).is_pending());
        let (resource, _) = console.until(|client| labelled(client, "detailed")).await;
        let task = console
            .until(|client| {
                Client::live(&client.ops)
                    .find(|(_, op)| op.parent == Some(resource))
                    .and_then(|(_, op)| op.task)
            })
            .await;
        for _ in 0..3 {
            theirs.write_all(b"x").unwrap();
            let mut ready = ReadyList::default();
            poller
                .poll(Some(Duration::from_secs(5)), &mut ready)
                .unwrap();
            ready.wake_all();
            assert!(turns.as_mut().poll(&mut cx).is_pending());
        }
        let request = TaskDetailsRequest {
            id: Some(Id { id: task }),
        };
        let mut stream = console
            .calls
            .watch_task_details(request)
            .await
            .unwrap()
            .into_inner();
        let mut counts = (0, 0);
        while counts != (3, 3) {
            counts = details(&stream.next().await.unwrap().unwrap()).unwrap();
        }
        drop(turns);
        desc.close();
        while let Some(message) = stream.next().await {
            details(&message.unwrap()).unwrap();
        }
    });
}

/// A task that waits, with its number in the console.
async fn waiting_task(console: &mut Console, label: &str) -> u64 {
    let (resource, _) = console.until(|client| labelled(client, label)).await;
    console
        .until(|client| {
            Client::live(&client.ops)
                .find(|(_, op)| op.parent == Some(resource))
                .and_then(|(_, op)| op.task)
        })
        .await
}

#[track_caller]
fn assert_full<T>(answer: Result<T, tonic::Status>, why: &str) {
    match answer {
        Ok(_) => panic!("there was room"),
        Err(status) => {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
            assert!(status.message().contains(why), "{status}");
        }
    }
}

#[test]
fn eight_consoles_attach_at_once_beside_eight_inspectors_and_a_ninth_when_one_has_left() {
    let _poller = Poller::builder().name("crowded").build().unwrap();
    let fixture = Fixture::new();
    run(async {
        let mut consoles = Vec::new();
        for _ in 0..8 {
            let mut console = Console::attach(&fixture).await;
            assert_eq!(console.state().await, Temporality::Live);
            console
                .until(|client| (!client.resources.is_empty()).then_some(()))
                .await;
            consoles.push(console);
        }
        let mut ninth = InstrumentClient::new(fixture.channel().await);
        assert_full(
            ninth.watch_updates(InstrumentRequest {}).await,
            "8 tokio-consoles",
        );
        assert_full(ninth.watch_state(StateRequest {}).await, "8 tokio-consoles");
        // They have taken no place of those who use the inspector, nor the other way round.
        let mut watches = Vec::new();
        for _ in 0..2 {
            let mut inspector = InspectorClient::new(fixture.channel().await);
            for _ in 0..4 {
                watches.push(inspector.watch(v1::WatchRequest::default()).await.unwrap());
            }
        }
        let mut inspector = InspectorClient::new(fixture.channel().await);
        assert_full(
            inspector.watch(v1::WatchRequest::default()).await,
            "8 clients",
        );
        consoles.pop();
        while ninth.watch_updates(InstrumentRequest {}).await.is_err() {}
    });
}

#[test]
fn sixteen_details_are_watched_at_once_two_by_each_console_and_a_17th_when_one_is_left() {
    let poller = Poller::builder().name("looked_into").build().unwrap();
    let (_ours, _theirs, desc) = open(&poller);
    desc.set_label("looked-into");
    let mut wait = pin!(task::named("looked-into", desc.wait(Direction::Read)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    let fixture = Fixture::new();
    run(async {
        let mut consoles = Vec::new();
        let mut watched = Vec::new();
        for _ in 0..8 {
            let mut console = Console::attach(&fixture).await;
            let id = waiting_task(&mut console, "looked-into").await;
            let request = TaskDetailsRequest {
                id: Some(Id { id }),
            };
            for _ in 0..2 {
                let answer = console.calls.watch_task_details(request).await.unwrap();
                let mut stream = answer.into_inner();
                details(&stream.next().await.unwrap().unwrap()).unwrap();
                watched.push(stream);
            }
            let answer = console.calls.watch_task_details(request).await;
            assert_full(answer, "this connection has 4 streams");
            consoles.push((console, request));
        }
        let mut other = InstrumentClient::new(fixture.channel().await);
        let request = consoles[0].1;
        assert_full(other.watch_task_details(request).await, "16 tasks");
        watched.pop();
        while other.watch_task_details(request).await.is_err() {}
    });
}

/// A client that has flow-control windows for anything, so that only its socket can be full; and a
/// second handle of that.
async fn greedy(fixture: &Fixture) -> (Console, UnixStream) {
    let stream = UnixStream::connect(fixture.socket()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let handle = stream.try_clone().unwrap();
    let mut stream = Some(stream);
    let connector = tower::service_fn(move |_: Uri| {
        let stream = stream.take();
        async move {
            let stream = stream.ok_or(std::io::ErrorKind::NotConnected)?;
            let stream = tokio::net::UnixStream::from_std(stream)?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    let channel = Endpoint::from_static("http://localhost")
        .initial_stream_window_size(1 << 30)
        .initial_connection_window_size(1 << 30)
        .connect_with_connector(connector)
        .await
        .unwrap();
    (Console::over(InstrumentClient::new(channel)).await, handle)
}

#[test]
fn a_client_whose_socket_is_full_is_told_the_state_and_not_the_past_and_keeps_nobody_waiting() {
    const DESCRIPTORS: usize = 2000;
    const ROUNDS: usize = 9;
    // The usual limit is 1024.
    rlimit::increase_nofile_limit(DESCRIPTORS as u64 + 2000).unwrap();
    let poller = Poller::builder().name("slow_reader").build().unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let descs: Vec<_> = (0..DESCRIPTORS)
        .map(|_| {
            let socket = ours.try_clone().unwrap();
            (poller.open(socket.as_fd(), Kind::Unix).unwrap(), socket)
        })
        .collect();
    let relabel = |label: &str| descs.iter().for_each(|(desc, _)| desc.set_label(label));
    let fixture = Fixture::new();
    // A runtime of its own: while nobody drives it, nobody reads its socket.
    let asleep = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    relabel("first");
    let (mut slow, socket) = asleep.block_on(greedy(&fixture));
    let unread = || ioctl_fionread(&socket).unwrap();

    // What lay unread in its socket, and the other's last sample, after each round.
    let (mut lay_unread, mut samples) = (Vec::new(), Vec::new());
    run(async {
        let mut quick = Console::attach(&fixture).await;
        for round in 0..ROUNDS {
            let label = format!("round-{round}");
            relabel(&label);
            // Hundreds of kilobytes each time, and it comes.
            quick.until(|client| labelled(client, &label)).await;
            lay_unread.push(unread());
            samples.extend(quick.nows.last().copied());
        }
    });
    let full = lay_unread[1];
    assert!(full > 64 * 1024, "{lay_unread:?}");
    assert!(
        lay_unread[1..].iter().all(|bytes| *bytes == full),
        "it was full all the while: {lay_unread:?}"
    );
    assert!(samples.is_sorted_by(|one, next| one < next), "{samples:?}");

    relabel("last");
    // Which of the rounds, each of hundreds of kilobytes, had been queued up for it: what was being
    // sent when the socket was full, and what there is room for behind that, in the stream and in
    // HTTP/2's own buffer.
    let mut queued = BTreeSet::new();
    asleep.block_on(slow.until(|client| {
        let told = |round: &usize| labelled(client, &format!("round-{round}")).is_some();
        queued.extend((0..ROUNDS).filter(told));
        labelled(client, "last")
    }));
    assert!(2 * queued.len() < ROUNDS, "{queued:?} of {ROUNDS} rounds");
    assert_eq!(slow.client.dropped, [0; 3], "it was told what it came to");
    drop(asleep);
}
