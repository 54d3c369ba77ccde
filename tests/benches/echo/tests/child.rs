//! The handshake with a server.

use crate::echo::child::read_port;

#[test]
fn the_port_is_found_behind_other_output() {
    assert_eq!(
        read_port("\nrunning 1 test\nport 4711\n".as_bytes()).unwrap(),
        4711
    );
}

#[test]
fn a_server_that_ends_early_is_an_error() {
    assert!(
        read_port("oops\n".as_bytes())
            .unwrap_err()
            .to_string()
            .contains("before it listened")
    );
}
