//! Connections of which little is heard, or much that nobody reads.

use std::io::{Read, Write};
use std::net::TcpStream as Peer;
use std::time::Duration;

use async_executor::LocalExecutor;
use netpoller::net::TcpStream;
use netpoller::{Poller, task};
use netpoller_tests::{new_poller, tcp_and_peer};

use super::{Service, elsewhere, silent};

/// Connections on `poller`, and their peers.
fn connections(poller: &Poller, count: usize) -> (Vec<TcpStream>, Vec<Peer>) {
    let limit = count as u64 * 2 + 256;
    rlimit::increase_nofile_limit(limit).expect("a limit");
    (0..count).map(|_| tcp_and_peer(poller)).unzip()
}

#[test]
fn a_long_poll_is_no_fault() {
    silent("connections::a_long_poll_is_no_fault", |_| {
        let poller = new_poller();
        let (streams, peers) = connections(&poller, 10);
        let service = Service::start(
            &poller,
            Box::new(|executor| {
                for stream in streams {
                    let waits = async move { stream.read(&mut [0; 16]).await };
                    executor.spawn(task::named("long-poll", waits)).detach();
                }
            }),
        );
        Box::new((service, peers))
    });
}

#[test]
fn pools_of_idle_connections_are_no_fault() {
    silent(
        "connections::pools_of_idle_connections_are_no_fault",
        |_| {
            let poller = new_poller();
            // Half of them watched for their end, as pools do, and half of them only kept.
            let (mut streams, peers) = connections(&poller, 1_000);
            let kept = streams.split_off(500);
            let service = Service::start(
                &poller,
                Box::new(|executor| {
                    for stream in streams {
                        let waits = async move { stream.read(&mut [0; 16]).await };
                        executor.spawn(task::named("idle", waits)).detach();
                    }
                }),
            );
            Box::new((service, peers, kept))
        },
    );
}

#[test]
fn a_consumer_that_takes_a_byte_each_fifteen_seconds_is_no_fault() {
    let name = "connections::a_consumer_that_takes_a_byte_each_fifteen_seconds_is_no_fault";
    silent(name, |pace| {
        let poller = new_poller();
        let (mut streams, mut peers) = connections(&poller, 1);
        peers[0].write_all(&[7; 1_000]).unwrap();
        let stream = streams.remove(0);
        let consumes = async move {
            while stream.read(&mut [0]).await.is_ok() {
                elsewhere(pace.of(15.0)).await;
            }
        };
        let spawn = move |executor: &LocalExecutor<'static>| {
            executor.spawn(task::named("consumer", consumes)).detach();
        };
        let service = Service::start(&poller, Box::new(spawn));
        Box::new((service, peers))
    });
}

#[test]
fn a_proxy_that_is_held_up_by_where_it_writes_to_is_no_fault() {
    let name = "connections::a_proxy_that_is_held_up_by_where_it_writes_to_is_no_fault";
    silent(name, |pace| {
        let poller = new_poller();
        let (mut sources, mut from) = connections(&poller, 1);
        let (mut sinks, mut to) = connections(&poller, 1);
        let (source, sink) = (sources.remove(0), sinks.remove(0));
        let (mut from, mut to) = (from.remove(0), to.remove(0));
        std::thread::spawn(move || while from.write_all(&[7; 65_536]).is_ok() {});
        std::thread::spawn(move || {
            let mut buffer = vec![0; 512 << 10];
            while to.read_exact(&mut buffer).is_ok() {
                std::thread::sleep(pace.of(0.5));
            }
        });
        let copies = async move {
            let mut buffer = vec![0; 65_536];
            while let Ok(count) = source.read(&mut buffer).await {
                if sink.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        };
        let spawn = move |executor: &LocalExecutor<'static>| {
            executor.spawn(task::named("proxy", copies)).detach();
        };
        Box::new(Service::start(&poller, Box::new(spawn)))
    });
}

#[test]
fn a_server_that_only_pushes_is_no_fault() {
    silent(
        "connections::a_server_that_only_pushes_is_no_fault",
        |pace| {
            let poller = new_poller();
            let (streams, mut peers) = connections(&poller, 20);
            for peer in &mut peers {
                peer.write_all(b"subscribe").unwrap();
            }
            let service = Service::start(
                &poller,
                Box::new(move |executor| {
                    for stream in streams {
                        let pushes = async move {
                            while stream.write_all(b"news").await.is_ok() {
                                elsewhere(pace.of(1.0)).await;
                            }
                        };
                        executor.spawn(task::named("pushes", pushes)).detach();
                    }
                }),
            );
            Box::new((service, peers))
        },
    );
}

#[test]
fn connections_that_come_and_go_are_no_fault() {
    silent(
        "connections::connections_that_come_and_go_are_no_fault",
        |_| {
            let poller = new_poller();
            let churn = {
                let poller = poller.clone();
                move || loop {
                    let (stream, mut peer) = tcp_and_peer(&poller);
                    peer.write_all(b"hello").unwrap();
                    let read = netpoller::block_on_poller(&poller, async {
                        stream.read(&mut [0; 16]).await
                    });
                    assert_eq!(read.unwrap(), 5);
                    drop((stream, peer));
                    std::thread::sleep(Duration::from_millis(20));
                }
            };
            Box::new(
                (0..4)
                    .map(|_| std::thread::spawn(churn.clone()))
                    .collect::<Vec<_>>(),
            )
        },
    );
}
