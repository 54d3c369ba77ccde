//! tokio-console on a replay, by what it is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use console_api::instrument::instrument_client::InstrumentClient;
use console_api::instrument::{InstrumentRequest, Update};
use console_api::{Attribute, Field, Location};
use hyper_util::rt::TokioIo;
use tonic::transport::{Endpoint, Uri};

use super::replay::Replayed;
use super::*;

/// What a console shows, by its numbers.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    resources: BTreeMap<u64, Vec<String>>,
    tasks: BTreeMap<u64, Vec<String>>,
    ops: BTreeMap<u64, Vec<String>>,
}

fn text(field: &Field) -> String {
    format!("{:?} = {:?}", field.name, field.value)
}

/// Without the column, which is not recorded.
fn line(location: Option<&Location>) -> String {
    location.map_or_else(String::new, |it| format!("{:?}:{:?}", it.file, it.line))
}

fn said(attributes: &[Attribute]) -> impl Iterator<Item = String> {
    let fields = attributes.iter().filter_map(|it| it.field.as_ref());
    fields.map(text)
}

impl Shown {
    fn take(&mut self, update: Update) {
        let resources = update.resource_update.unwrap_or_default();
        for it in resources.new_resources {
            let kind = it.kind.and_then(|it| it.kind);
            let what = [
                format!("{kind:?} below {:?}", it.parent_resource_id),
                it.concrete_type,
                line(it.location.as_ref()),
            ];
            self.resources
                .insert(it.id.expect("a number").id, what.into());
        }
        for (id, stats) in resources.stats_update {
            if let Some(known) = self.resources.get_mut(&id) {
                known.truncate(3);
                // Nobody records which number the eventfd has.
                let is_eventfd = known[1] == "EventFd";
                let all = said(&stats.attributes);
                known.extend(all.filter(|it| !is_eventfd || !it.contains("0fd")));
            }
        }
        let tasks = update.task_update.unwrap_or_default();
        for it in tasks.new_tasks {
            let mut what: Vec<String> = it.fields.iter().map(text).collect();
            what.push(line(it.location.as_ref()));
            what.push(String::new());
            self.tasks.insert(it.id.expect("a number").id, what);
        }
        for (id, stats) in tasks.stats_update {
            if let Some(known) = self.tasks.get_mut(&id).and_then(|it| it.last_mut()) {
                let (clones, drops) = (stats.waker_clones, stats.waker_drops);
                let polls = stats.poll_stats.map(|it| (it.polls, it.last_poll_ended));
                *known = format!("{:?} {clones} {drops} {polls:?}", stats.created_at);
            }
        }
        let ops = update.async_op_update.unwrap_or_default();
        for it in ops.new_async_ops {
            let what = format!("{} of {:?}", it.source, it.resource_id);
            self.ops.insert(it.id.expect("a number").id, vec![what]);
        }
        for (id, stats) in ops.stats_update {
            if let Some(known) = self.ops.get_mut(&id) {
                known.truncate(1);
                known.push(format!("by {:?}", stats.task_id));
                known.push(format!("{:?}", stats.poll_stats.map(|it| it.polls)));
                known.extend(said(&stats.attributes));
            }
        }
    }
}

/// What a console that attaches to this socket is shown first.
fn attached(target: &str) -> Shown {
    let path = PathBuf::from(target.strip_prefix("unix:").expect("a Unix socket"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connector).await;
        let mut client = InstrumentClient::new(channel.expect("it answers"));
        let updates = client.watch_updates(InstrumentRequest {}).await;
        let mut updates = updates.expect("it tells").into_inner();
        let mut shown = Shown::default();
        let mut now = None;
        // All messages of a look bear its time, and those of the next another one, unless the
        // replay stands still: then there is nothing new in it.
        loop {
            let update = updates.message().await.expect("an update");
            let update = update.expect("an update");
            let is_empty = update.resource_update.is_none() && update.async_op_update.is_none();
            if now.is_some() && (update.now != now || is_empty) && !shown.ops.is_empty() {
                return shown;
            }
            now = update.now;
            shown.take(update);
        }
    })
}

#[test]
fn a_replay_shows_tokio_console_what_the_process_did() {
    let process = Process::new();
    let recording = process.record("shown.npl");
    let live = attached(process.endpoint.target());
    // Pollers with their eventfds and descriptors.
    assert_eq!((live.resources.len(), live.ops.len()), (9, 3), "{live:#?}");
    let still = Replayed::start(&process, &recording, &["--at", "-100ms", "--speed", "0"]);
    assert_eq!(attached(&still.target), live);
    still.end();
    // Another client is told of it when it has come to its end.
    let fast = Replayed::start(&process, &recording, &["--speed", "1000"]);
    netpoller_tests::until("it comes to its end", || attached(&fast.target) == live);
    fast.end();
    process.end();
}
