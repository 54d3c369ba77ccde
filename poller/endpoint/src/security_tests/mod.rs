//! What the endpoint defends against, as SECURITY.md says it.
//!
//! | file | tries |
//! |---|---|
//! | `access` | to look without the token or the certificate |
//! | `privilege` | to change where, or as who, one may only look |
//! | `crowd` | to take more than one's share: of connections, streams, bytes and time |
//! | `liveness` | to be there no more, or to ask what takes too long |
//! | `garbage` | what is no HTTP/2, no gRPC or no TLS, and HTTP/2 that means harm |
//!
//! `authority` has tokens and certificates, `raw` is a client of HTTP/2 without manners, and `said`
//! keeps what the endpoint says on stderr.

mod access;
mod authority;
mod crowd;
mod garbage;
mod liveness;
mod privilege;
mod raw;
mod said;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use tonic::Status;
use tonic::transport::{Channel, Endpoint, Uri};

use super::*;
use crate::fixture::{Fixture, ask, channel, channel_of, in_own_runtime_dir, mode, run};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_promises_of_security_md_name_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("../SECURITY.md")).unwrap();
    let mut count = 0;
    for named in text.split('`').filter(|word| word.contains(".rs::")) {
        let (file, test) = named.split_once("::").unwrap();
        // Those of the command say so.
        let file = match file.starts_with("inspector/") {
            true => root.join("..").join(file),
            false => root.join(file),
        };
        let source =
            std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{named}: {error}"));
        let is_there = source.lines().any(|line| {
            let name = line.trim().trim_start_matches("async ").strip_prefix("fn ");
            name.is_some_and(|name| name.split('(').next() == Some(test))
        });
        assert!(is_there, "{named}");
        count += 1;
    }
    assert!(count >= 30, "{count} promises have a test");
}
