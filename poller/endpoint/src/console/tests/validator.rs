//! The validator itself: it refuses whatever the real client would stumble over.

use std::os::fd::AsFd;
use std::pin::pin;
use std::task::{Context, Waker};

use console_api::instrument::Update;
use console_api::resources::resource::{Kind, kind};
use console_api::{Id, Location};
use netpoller_core::{Direction, Kind as DescriptorKind, Poller};
use prost_types::Timestamp;

use super::validate::Client;
use crate::console::live::{Live, Look};
use crate::console::model::{Model, Sizes};
use crate::console::update::ClientView;

/// The messages about a poller with one descriptor on which somebody waits.
fn updates() -> Vec<Update> {
    let poller = Poller::builder().name("valid").build().unwrap();
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let desc = poller.open(ours.as_fd(), DescriptorKind::Unix).unwrap();
    let mut wait = pin!(desc.wait(Direction::Read));
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let mut model = Model::new(Live::new(), Sizes::default());
    model.look(Look::at(vec![poller.clone()]));
    ClientView::nothing(&model, false).updates(&model)
}

/// Why the messages are refused after `spoil` had its way with the first that it says it has
/// spoilt.
#[track_caller]
fn refused(spoil: impl Fn(&mut Update) -> bool) -> String {
    let mut updates = updates();
    assert!(updates.iter_mut().any(spoil), "there is nothing to spoil");
    let mut client = Client::default();
    let faults = updates.iter().find_map(|update| client.take(update).err());
    faults.expect("it is refused")
}

macro_rules! refuses {
    ($($name:ident: $spoil:expr => $why:literal,)+) => {
        $(#[test]
        fn $name() {
            let why = refused($spoil);
            assert!(why.contains($why), "{why}");
        })+
    };
}

fn resource(update: &mut Update) -> Option<&mut console_api::resources::Resource> {
    update.resource_update.as_mut()?.new_resources.first_mut()
}

fn task(update: &mut Update) -> Option<&mut console_api::tasks::Task> {
    update.task_update.as_mut()?.new_tasks.first_mut()
}

fn task_stats(update: &mut Update) -> Option<&mut console_api::tasks::Stats> {
    update
        .task_update
        .as_mut()?
        .stats_update
        .values_mut()
        .next()
}

fn op(update: &mut Update) -> Option<&mut console_api::async_ops::AsyncOp> {
    update.async_op_update.as_mut()?.new_async_ops.first_mut()
}

/// The stats of the first new op.
fn op_stats(update: &mut Update) -> Option<&mut console_api::async_ops::Stats> {
    let id = op(update)?.id?.id;
    update.async_op_update.as_mut()?.stats_update.get_mut(&id)
}

refuses! {
    a_message_without_time: |update| update.now.take().is_some() => "no `now`",
    time_that_goes_back: |update| {
        update.resource_update.is_none() && {
            update.now = Some(Timestamp { seconds: -1, nanos: 0 });
            true
        } || { update.now = Some(Timestamp { seconds: 1, nanos: -1 }); true }
    } => "Timestamp",
    metadata_that_is_not_registered: |update| update.new_metadata.take().is_some() => "not registered",
    a_resource_without_stats: |update| {
        resource(update).is_some() && { update.resource_update.as_mut().unwrap().stats_update.clear(); true }
    } => "no stats beside it",
    a_resource_without_kind: |update| {
        resource(update).map(|resource| resource.kind = None).is_some()
    } => "no kind",
    a_resource_with_an_empty_kind: |update| {
        resource(update).map(|resource| resource.kind = Some(Kind { kind: None })).is_some()
    } => "an empty kind",
    a_resource_of_a_kind_that_is_not_known: |update| {
        resource(update)
            .map(|resource| resource.kind = Some(Kind { kind: Some(kind::Kind::Known(7)) }))
            .is_some()
    } => "kind 7",
    a_parent_that_comes_later: |update| {
        resource(update).map(|resource| resource.parent_resource_id = Some(Id { id: 4711 })).is_some()
    } => "its parent",
    an_empty_location: |update| {
        task(update)
            .map(|task| task.location = Some(Location { file: Some(String::new()), ..Default::default() }))
            .is_some()
    } => "a location",
    a_task_without_stats: |update| {
        task(update).is_some() && { update.task_update.as_mut().unwrap().stats_update.clear(); true }
    } => "no stats beside it",
    a_task_that_was_never_created: |update| {
        task_stats(update).map(|stats| stats.created_at = None).is_some()
    } => "no created_at",
    a_task_without_poll_stats: |update| {
        task_stats(update).map(|stats| stats.poll_stats = None).is_some()
    } => "no poll_stats",
    a_negative_duration: |update| {
        task_stats(update)
            .map(|stats| stats.scheduled_time = Some(prost_types::Duration { seconds: -1, nanos: 0 }))
            .is_some()
    } => "negative",
    an_empty_field: |update| {
        task(update)
            .map(|task| task.fields[0].value = Some(console_api::field::Value::StrVal(String::new())))
            .is_some()
    } => "is empty",
    a_field_without_a_name_of_its_own: |update| {
        task(update)
            .map(|task| task.fields[0].name = Some(console_api::field::Name::NameIdx(0)))
            .is_some()
    } => "no name",
    an_async_op_without_resource: |update| op(update).map(|op| op.resource_id = None).is_some() => "no resource",
    an_async_op_without_task: |update| {
        op_stats(update).map(|stats| stats.task_id = None).is_some()
    } => "no task",
    an_async_op_of_a_task_that_nobody_told_of: |update| {
        op_stats(update).map(|stats| stats.task_id = Some(Id { id: 4711 })).is_some()
    } => "of a task",
    a_message_that_is_too_large: |update| {
        task(update).map(|task| {
            task.fields[0].value = Some(console_api::field::Value::StrVal("x".repeat(2 << 20)));
        }).is_some()
    } => "bytes",
}

#[test]
fn what_is_sent_passes() {
    let mut client = Client::default();
    for update in updates() {
        client.take(&update).unwrap();
    }
    assert_eq!(client.ops.len(), 1);
}
