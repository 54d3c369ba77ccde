//! Go's own tests of what its netpoller promises, under their names in snake case.

/// The same test over TCP, Unix sockets and pipes: Go runs most of its deadline tests over
/// connections (net) and pipes (os).
macro_rules! over_streams {
    ($($(#[doc = $doc:literal])* async fn $name:ident($poller:ident, $reader:ident, $writer:ident) $body:block)*) => {
        mod tcp {
            use super::*;
            $($(#[doc = $doc])* #[test] fn $name() {
                run(async |$poller: Poller| {
                    let ($reader, $writer) = tcp_pair(&$poller);
                    small_buffers(&$reader, &$writer);
                    $body
                });
            })*
        }
        mod unix {
            use super::*;
            $($(#[doc = $doc])* #[test] fn $name() {
                run(async |$poller: Poller| {
                    let ($reader, $writer) = unix_pair(&$poller);
                    $body
                });
            })*
        }
        mod pipe {
            use super::*;
            $($(#[doc = $doc])* #[test] fn $name() {
                run(async |$poller: Poller| {
                    let ($reader, $writer) = netpoller::pipe::pipe().unwrap();
                    $body
                });
            })*
        }
    };
}

mod conn;
mod dial;
mod extra;
mod pipe;
mod race;
mod timeout;
