//! The places at which futures wait, by the kind of descriptor and its side.

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};

use crate::home::Home;
use crate::json::Json;
use crate::waiter::How::{List, Registered, Slot};
use crate::waiter::{Starter, Waiter};
use crate::{accepts, reads, writes};

/// Lets somebody wait. The error is why that cannot be.
type Started = Result<Waiter, String>;

macro_rules! places {
    ($(
        $side:ident($home:ident: $of:ty) {
            $($place:literal $how:ident $take:ident => $future:expr,)*
        }
    )*) => {
        $(pub fn $side(starter: &Starter<'_>, $home: &Home<$of>) -> Started {
            match starter.place {
                $($place => {
                    let taken = $home.$take()?;
                    starter.begin($how, |note| ($future)(note, taken))
                })*
                place => Err(format!("no place of {}: {place}", stringify!($side))),
            }
        })*

        /// The answer to "places".
        pub fn places() -> Json {
            Json::Object(vec![
                $((stringify!($side), Json::texts(&[$($place),*])),)*
            ])
        }
    };
}

places! {
    tcp_read(home: TcpStream) {
        "plain" Slot lend => reads::read,
        "loop" Slot lend => reads::repeated,
        "block" Slot lend => reads::block,
        "method" Slot lend => |note, from| reads::Reader { from, note }.run(),
        "nested" Slot lend => reads::nested,
        "timeout" Slot lend => reads::in_time,
        "nested-timeout" Slot lend => reads::nested_in_time,
        "select" Slot lend => reads::selected,
        "nested-select" Slot lend => reads::nested_selected,
        "nested-join" Slot lend => reads::joined,
        "boxed" Slot lend => reads::boxed,
        "exact" Slot lend => reads::exact,
        "line" Slot lend => reads::line,
        "registered" Registered lend => reads::registered,
        "poll" Slot share => reads::poll_ready,
        "readable" List share => reads::readable,
        "tries" List share => reads::tries,
        "ready" List share => reads::interested,
        "async-io" List share => reads::async_io,
    }
    tcp_write(home: TcpStream) {
        "all" Slot lend => writes::all,
        "nested" Slot lend => writes::nested,
        "timeout" Slot lend => writes::in_time,
        "select" Slot lend => writes::selected,
        "buffered" Slot lend => writes::buffered,
        "copy" Slot lend => writes::copied,
        "writable" List share => writes::writable,
        "tries" List share => writes::tries,
    }
    split_read(home: OwnedReadHalf) {
        "plain" Slot lend => reads::read,
        "loop" Slot lend => reads::repeated,
        "nested" Slot lend => reads::nested,
        "select" Slot lend => reads::selected,
        "exact" Slot lend => reads::exact,
        "registered" Registered lend => reads::registered,
        "readable" List share => reads::readable,
    }
    split_write(home: OwnedWriteHalf) {
        "all" Slot lend => writes::all,
        "nested" Slot lend => writes::nested,
        "writable" List share => writes::writable,
    }
    unix_read(home: UnixStream) {
        "plain" Slot lend => reads::read,
        "loop" Slot lend => reads::repeated,
        "nested" Slot lend => reads::nested,
        "timeout" Slot lend => reads::in_time,
        "readable" List share => reads::readable,
        "tries" List share => reads::tries,
    }
    unix_write(home: UnixStream) {
        "all" Slot lend => writes::all,
        "writable" List share => writes::writable,
    }
    pipe_read(home: Receiver) {
        "plain" Slot lend => reads::read,
        "line" Slot lend => reads::line,
        "readable" List share => reads::readable,
        "loop" List share => reads::repeatedly_readable,
    }
    pipe_write(home: Sender) {
        "all" Slot lend => writes::all,
        "tries" List share => writes::tries,
    }
    udp_read(home: UdpSocket) {
        "plain" List share => reads::receive_from,
        "nested" List share => reads::receive,
        "timeout" List share => reads::receive_in_time,
        "select" List share => reads::receive_selected,
        "boxed" List share => reads::receive_boxed,
        "readable" List share => reads::readable,
        "tries" List share => reads::tries,
        "loop" List share => reads::repeatedly_readable,
        "poll" Slot share => reads::poll_receive,
        "registered" Registered share => reads::receive_registered,
    }
    listener_read(home: TcpListener) {
        "plain" List share => accepts::accept,
        "loop" List share => accepts::repeated,
        "nested" List share => accepts::nested,
        "timeout" List share => accepts::in_time,
        "select" List share => accepts::selected,
        "poll" Slot share => accepts::poll_accept,
    }
}
