//! What `doctor` finds in a process, and what it does not.

mod go;
mod tokio;

use netpoller_tests::program::netpoller;
use serde_json::Value;

use crate::truth::Service;

/// What it finds, each by its name and descriptor, and what is told of it.
fn findings(service: &Service) -> Vec<(String, i64, Value)> {
    let mut command = netpoller(service.scratch.path());
    let target = format!("pid:{}", service.pid());
    let output = command
        .args(["-t", &target, "-f", "json", "doctor"])
        .output();
    let output = output.expect("it runs");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let items = document["items"].as_array().expect("items");
    let found = items.iter().map(|it| {
        let lint = it["lint"].as_str().expect("a name").to_owned();
        let fd = it["descriptor"]["fd"].as_i64().unwrap_or(-1);
        (lint, fd, it.clone())
    });
    found.collect()
}

fn opened(answer: &Value) -> i64 {
    answer["opened"][0].as_i64().expect("an id")
}
