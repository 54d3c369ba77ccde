//! Readers behind a reader: each is told wherever one looks.

use std::os::fd::AsRawFd;

use futures_lite::future;
use netpoller::{Poller, block_on_poller, task, view};
use netpoller_tests::{is_alone, unix_pair};

use super::outside::{Outside, number};

const NAME: &str = "queued";

#[test]
fn who_waits_for_the_lock_of_a_descriptor_is_in_the_table_and_in_its_description() {
    if !is_alone(
        "queued::who_waits_for_the_lock_of_a_descriptor_is_in_the_table_and_in_its_description",
    ) {
        return;
    }
    let poller = Poller::builder().name(NAME).build().unwrap();
    let outside = Outside::new();
    block_on_poller(&poller, async {
        let (stream, _peer) = unix_pair(&poller);
        let mut buffers = [[0; 4]; 2];
        let [one, two] = &mut buffers;
        let mut first = Box::pin(task::named("first", stream.read(one)));
        let mut second = Box::pin(task::named("second", stream.read(two)));
        let line = line!() - 1;
        assert!(future::poll_once(&mut first).await.is_none());
        let before = view::now_ns();
        assert!(future::poll_once(&mut second).await.is_none());
        let after = view::now_ns();
        let own = format!("truth/queued.rs:{line}");

        let waiting = outside.rows(NAME, &["ls", "waiters"]);
        let states: Vec<_> = waiting.iter().map(|row| &row["state"]).collect();
        assert_eq!(states, ["parked", "queued"], "{waiting:#?}");
        assert!(waiting[1]["task"].as_str().unwrap().starts_with("second"));
        assert!(waiting[1]["location"].as_str().unwrap().ends_with(&own));

        let id = format!("fd:{}", stream.as_raw_fd());
        let document = outside.rows(NAME, &["describe", &id]).remove(0);
        let queued = document["read"]["queued"].as_array().unwrap();
        let [queued] = &queued[..] else {
            panic!("{document:#}")
        };
        assert!((before..=after).contains(&number(&queued["since_ns"])));
        let waiter = &queued["waiter"];
        assert!(waiter["task"].as_str().unwrap().starts_with("second"));
        assert!(waiter["location"].as_str().unwrap().ends_with(&own));
        assert_eq!(document["write"]["queued"], serde_json::json!([]));

        let said = outside.say(&["describe", &id]);
        let told = said.lines().find(|line| line.contains("task second"));
        let told = told.unwrap_or_else(|| panic!("{said}")).trim_start();
        assert!(told.starts_with("queued ") && told.contains(&own), "{told}");
    });
}
