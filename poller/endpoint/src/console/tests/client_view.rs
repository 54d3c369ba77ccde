//! What clients are told of what is shown: what changed, what has ended, what was dropped, and all
//! of it at first.

use std::pin::pin;
use std::time::{Duration, Instant};

use console_api::instrument::Update;
use console_api::{PollStats, async_ops, resources, tasks};
use netpoller_core::internals::{RawRow, Slot};
use netpoller_core::{Direction, Poller, Sides, task};
use prost::Message;

use super::script::{Script, open, pair, park, tell};
use super::validate::Client;
use crate::console::live::Live;
use crate::console::model::{Model, Sizes};
use crate::console::update::ClientView;
use crate::limits::MAX_MESSAGE;

#[test]
fn when_nothing_changes_one_small_message_tells_the_time() {
    let mut script = Script::new("quiet");
    let (ours, _theirs) = pair();
    let _desc = open(&script.poller, &ours);
    script.look();
    script.look();
    let updates = {
        script.look_untold();
        script.view.updates(&script.model)
    };
    assert_eq!(updates.len(), 1);
    assert!(updates[0].encoded_len() < 100, "{:?}", updates[0]);
}

#[test]
fn a_client_that_missed_samples_is_told_once_what_they_changed() {
    let mut script = Script::new("slow");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    script.look();
    let (other, _peer) = pair();
    for _ in 0..3 {
        let short = open(&script.poller, &other);
        script.look_untold();
        short.close();
        script.look_untold();
    }
    let _late = open(&script.poller, &other);
    script.look();
    assert_eq!(script.live("uds").len(), 2);
    desc.close();
    script.look();
    assert_eq!(script.live("uds").len(), 1);
}

#[test]
fn what_finds_no_number_is_dropped_once_and_told_to_each_client_that_was_there() {
    let sizes = Sizes {
        resources: 4,
        ops: 1,
        tasks: 1,
        ..Sizes::default()
    };
    let mut script = Script::with("too_many", sizes);
    let ((ours, _theirs), (other, _peer)) = (pair(), pair());
    let (first, second) = (open(&script.poller, &ours), open(&script.poller, &other));
    script.look();
    assert_eq!(script.client.dropped, [0; 3], "there is room for four");
    let mut wait = pin!(task::named("first", first.wait(Direction::Read)));
    park(wait.as_mut());
    script.look();
    assert_eq!(script.client.dropped, [0; 3], "and for one that waits");

    let mut second_wait = pin!(task::named("second", second.wait(Direction::Read)));
    park(second_wait.as_mut());
    for _ in 0..3 {
        script.look();
        assert_eq!(script.client.dropped, [1, 1, 0]);
    }
    let mut write = pin!(task::named("first", first.wait(Direction::Write)));
    first.set_deadline(Some(Instant::now() + Duration::from_secs(60)), Sides::Read);
    park(write.as_mut());
    for _ in 0..3 {
        script.look();
    }
    assert_eq!(script.client.dropped[2], 1, "a deadline");
    assert_eq!(
        script.client.dropped[0], 2,
        "an op of whom there may be a task"
    );

    let mut late = Client::default();
    tell(
        &script.model,
        &mut ClientView::nothing(&script.model, false),
        &mut late,
    );
    assert_eq!(late.dropped, [0; 3], "it has lost nothing yet");
}

#[test]
fn a_row_that_cannot_be_read_is_dropped_and_shown_as_it_was_until_it_can() {
    let mut script = Script::new("torn");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    script.look();
    let mut wait = pin!(task::named("reader", desc.wait(Direction::Read)));
    park(wait.as_mut());
    let torn = |slot: Slot<'_>| {
        let row = slot.read()?;
        Some(RawRow { torn: true, ..row })
    };
    script.look_through(torn);
    let mut late = (ClientView::nothing(&script.model, false), Client::default());
    script.look_through(torn);
    tell(&script.model, &mut script.view, &mut script.client);
    assert_eq!(script.client.dropped, [0, 0, 2], "each look has lost it");
    tell(&script.model, &mut late.0, &mut late.1);
    assert_eq!(late.1.dropped, [0, 0, 1], "the second one");
    assert_eq!(script.live("uds")[0].1.fields["1rd"], "nil");
    script.look();
    assert_eq!(script.live("uds")[0].1.fields["1rd"], "parked");
    assert_eq!(script.client.dropped, [0, 0, 2]);
}

#[test]
fn what_the_flight_recorder_overwrote_is_told_of_the_poller_and_is_not_dropped() {
    let mut script = Script::new("overwritten");
    script.poller = Poller::builder()
        .name("overwritten")
        .flight_recorder(1024)
        .build()
        .unwrap();
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    script.look();
    for _ in 0..1000 {
        park(pin!(desc.wait(Direction::Read)));
    }
    script.look();
    script.look();
    let overwritten = &script.live("poller")[0].1.fields["overwritten"];
    assert!(overwritten.parse::<u64>().unwrap() > 1000, "{overwritten}");
    assert_eq!(script.client.dropped, [0; 3]);
}

/// The stats of the messages by which a new client is told of a model.
fn stats_told(model: &Model<Live>) -> (resources::Stats, async_ops::Stats, tasks::Stats) {
    let updates = ClientView::nothing(model, false).updates(model);
    let resource = |update: &Update| {
        let stats = update.resource_update.as_ref()?.stats_update.get(&ENDED);
        stats.cloned()
    };
    let op = |update: &Update| {
        let stats = update.async_op_update.as_ref()?.stats_update.get(&1);
        stats.cloned()
    };
    let task = |update: &Update| {
        let stats = update.task_update.as_ref()?.stats_update.get(&1);
        stats.cloned()
    };
    (
        updates.iter().find_map(resource).unwrap(),
        updates.iter().find_map(op).unwrap(),
        updates.iter().find_map(task).unwrap(),
    )
}

/// Number of the only descriptor's resource, after the poller and its eventfd; its op and its task
/// are the first of their kind.
const ENDED: u64 = 3;

#[test]
fn who_subscribes_within_ten_minutes_is_told_of_what_has_ended_as_it_was_and_later_that_it_ended() {
    const SECOND: u64 = 1_000_000_000;
    let mut script = Script::new("tombstones");
    let (ours, _theirs) = pair();
    let desc = open(&script.poller, &ours);
    {
        let mut wait = pin!(task::named("gone", desc.wait(Direction::Read)));
        park(wait.as_mut());
        script.look();
    }
    assert!(!script.client.resources[&ENDED].dropped);
    let (alive, ..) = stats_told(&script.model);
    let last_seen = script.model.anchor.timestamp(script.model.sampled_ns);
    desc.close();
    script.look_untold();
    let ended = script.model.anchor.timestamp(script.model.sampled_ns);
    script.ahead_ns = 300 * SECOND;
    script.look_untold();

    let (resource, op, task) = stats_told(&script.model);
    assert_eq!(resource.created_at, alive.created_at);
    assert_eq!(resource.dropped_at, Some(ended));
    assert_eq!(resource.attributes.len(), alive.attributes.len());
    assert_eq!(
        (op.created_at, op.dropped_at),
        (alive.created_at, Some(ended))
    );
    assert_eq!(op.poll_stats.unwrap().polls, 1);
    assert_eq!(task.dropped_at, Some(last_seen));
    assert_eq!(task.poll_stats.unwrap().polls, 1);
    // The client that was away for the while takes the messages, and its ghosts are gone.
    tell(
        &script.model,
        &mut ClientView::nothing(&script.model, false),
        &mut script.client,
    );
    assert!(script.live("uds").is_empty() && script.ops().is_empty());
    assert_eq!(Client::live(&script.client.tasks).count(), 0);

    script.ahead_ns = 610 * SECOND;
    script.look_untold();
    let (resource, op, task) = stats_told(&script.model);
    assert_eq!(resource.dropped_at, Some(ended));
    assert!(resource.attributes.is_empty());
    assert_eq!(op.poll_stats, Some(PollStats::default()));
    assert_eq!(task.poll_stats, Some(PollStats::default()));
    tell(
        &script.model,
        &mut ClientView::nothing(&script.model, false),
        &mut Client::default(),
    );
}

#[test]
fn a_number_that_is_used_again_within_ten_minutes_is_told_as_the_living_alone() {
    const SECOND: u64 = 1_000_000_000;
    let mut script = Script::new("used_again");
    let (ours, _theirs) = pair();
    open(&script.poller, &ours).close();
    let first = open(&script.poller, &ours);
    script.look();
    first.close();
    script.look();
    script.ahead_ns = 60 * SECOND;
    let second = open(&script.poller, &ours);
    script.look();
    let live = script.live("uds");
    assert_eq!((live.len(), live[0].0), (1, ENDED));
    let mut late = Client::default();
    tell(
        &script.model,
        &mut ClientView::nothing(&script.model, false),
        &mut late,
    );
    assert!(!late.resources[&ENDED].dropped);
    assert_eq!(
        late.resources[&ENDED].fields["fdseq"],
        second.id().to_string()
    );
}

#[test]
fn a_client_that_comes_back_to_another_process_forgets_what_the_first_one_had() {
    let mut first = Script::new("first");
    let sockets: Vec<_> = (0..20).map(|_| pair()).collect();
    let descs: Vec<_> = sockets
        .iter()
        .map(|(ours, _)| open(&first.poller, ours))
        .collect();
    {
        let mut waits: Vec<_> = descs
            .iter()
            .map(|desc| Box::pin(desc.wait(Direction::Read)))
            .collect();
        waits.iter_mut().for_each(|wait| park(wait.as_mut()));
        first.look();
    }
    assert_eq!((first.live("uds").len(), first.ops().len()), (20, 20));

    let mut second = Script::new("second");
    second.client = first.client;
    let (ours, _theirs) = pair();
    let _desc = open(&second.poller, &ours);
    second.look();
    assert_eq!(second.live("poller").len(), 1);
    assert_eq!(second.live("poller")[0].1.fields["name"], "second");
    assert_eq!((second.live("uds").len(), second.ops().len()), (1, 0));
    assert_eq!(Client::live(&second.client.tasks).count(), 0);
}

#[test]
fn five_thousand_descriptors_are_listed_those_that_wait_first_and_the_rest_is_counted() {
    let mut script = Script::new("many");
    let most = Sizes::default().descriptors;
    let extra = 70;
    // The usual limit is 1024.
    rlimit::increase_nofile_limit(most as u64 + 2000).unwrap();
    let (ours, _theirs) = pair();
    let descs: Vec<_> = (0..most + extra)
        .map(|_| {
            let socket = ours.try_clone().unwrap();
            (open(&script.poller, &socket), socket)
        })
        .collect();
    let last = &descs.last().unwrap().0;
    let mut wait = pin!(last.wait(Direction::Read));
    park(wait.as_mut());
    let messages = script.look();
    assert!(messages > 2, "{messages}");
    let listed = script.live("uds");
    assert_eq!(listed.len(), most);
    assert!(
        listed
            .iter()
            .any(|(_, known)| known.fields["fdseq"] == last.id().to_string())
    );
    let more = script.live("more");
    assert_eq!(more[0].1.fields["count"], extra.to_string());
    let mut view = ClientView::nothing(&script.model, false);
    let updates = view.updates(&script.model);
    assert!(
        updates
            .iter()
            .all(|update| update.encoded_len() <= MAX_MESSAGE)
    );
    assert!(updates.iter().map(Message::encoded_len).sum::<usize>() > MAX_MESSAGE);
}
