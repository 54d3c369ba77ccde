//! net/timeout_test.go, net/dial_test.go and net/tcpsock_test.go: connections that are being made.

use std::pin::pin;
use std::time::{Duration, Instant};

use netpoller::net::{TcpListener, TcpStream};
use netpoller::{Error, Poller, block_on_poller};
use netpoller_tests::{Lane, assert_timeout, deaf, is_parked, loopback, past, run};

/// TestDialTimeout: a deadline in the past and one to come, both timeouts, never early.
#[test]
fn dial_timeout() {
    run(async |_| {
        let (listener, _filling) = deaf();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        assert_timeout(TcpStream::connect_by(address, past().unwrap()).await);
        for ms in [1, 20] {
            let deadline = Instant::now() + Duration::from_millis(ms);
            let result = TcpStream::connect_by(address, deadline).await;
            let error = result.unwrap_err();
            assert!(
                error.to_string().contains(&address.to_string()),
                "names the address: {error}"
            );
            assert_timeout::<()>(Err(error));
            assert!(Instant::now() >= deadline, "early");
        }
    });
}

/// TestDialTimeoutMaxDuration: the longest deadline does not overflow into the past, and is gone
/// once connected.
#[test]
fn dial_timeout_max_duration() {
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let far = Instant::now()
            .checked_add(Duration::from_nanos(i64::MAX as u64))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect_by(address, far).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    });
}

/// The deadline of connect is for connect: the stream that it returns has none.
#[test]
fn the_deadline_of_a_dial_does_not_hold_for_the_connection() {
    run(async |poller: Poller| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let deadline = Instant::now() + Duration::from_millis(30);
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect_by(address, deadline).await.unwrap();
        netpoller_tests::pause(&poller, Duration::from_millis(40)).await;
        stream.write_all(b"x").await.unwrap();
    });
}

/// TestDialCancel: a connect that is dropped gives up; the descriptor is deregistered and nobody is
/// left waiting.
#[test]
fn dial_cancel() {
    run(async |poller: Poller| {
        let (listener, _filling) = deaf();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        for _ in 0..50 {
            let mut dial = Box::pin(TcpStream::connect(address));
            assert!(is_parked(&mut dial).await);
            assert_eq!(poller.waiters(), 1);
            drop(dial);
            assert_eq!(poller.waiters(), 0);
        }
    });
}

/// golang/go#16523: a dial that was cancelled is cancelled, also if the connection was made
/// meanwhile; the connection is closed, so the peer reads its end.
#[test]
fn issue_go_16523_a_cancelled_dial_leaves_no_connection_behind() {
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut dial = Box::pin(TcpStream::connect(address));
        // On loopback the handshake is over when connect(2) says EINPROGRESS.
        assert!(is_parked(&mut dial).await);
        let (server, _) = listener.accept().await.unwrap();
        drop(dial);
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

/// TestTCPSpuriousConnSetupCompletion (golang/go#14548, #19289): a dial that succeeds is connected,
/// though descriptor numbers and slots are reused all the time and edges of former owners are
/// about.
#[test]
fn semantics_54_tcp_spurious_conn_setup_completion() {
    run(async |poller: Poller| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let dialling: Vec<_> = (0..4)
            .map(|_| {
                Lane::block_on(&poller, move || async move {
                    for _ in 0..100 {
                        let stream = TcpStream::connect(address).await.unwrap();
                        stream.peer_addr().expect("connected");
                        assert_eq!(stream.write(b"x").await.unwrap(), 1);
                    }
                })
            })
            .collect();
        for _ in 0..400 {
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 1);
        }
        dialling.into_iter().for_each(Lane::join);
    });
}

/// Semantics 54: refused is told with the address and std's kind.
#[test]
fn semantics_54_a_refused_connection_names_the_address() {
    run(async |_| {
        let address = std::net::TcpListener::bind(loopback())
            .unwrap()
            .local_addr()
            .unwrap();
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert_eq!(Error::of(&error), None);
    });
}

/// TestTCPConcurrentAccept: several accept on one listener, each connection is accepted once.
#[test]
fn tcp_concurrent_accept() {
    run(async |poller: Poller| {
        let listener = std::sync::Arc::new(TcpListener::bind(loopback()).unwrap());
        let address = listener.local_addr().unwrap();
        let accepting: Vec<_> = (0..4)
            .map(|_| {
                let (poller, listener) = (poller.clone(), listener.clone());
                Lane::start(move || {
                    let mut accepted = 0;
                    while block_on_poller(&poller, listener.accept()).is_ok() {
                        accepted += 1;
                    }
                    accepted
                })
            })
            .collect();
        for _ in 0..200 {
            let stream = TcpStream::connect(address).await.unwrap();
            // Reads the end: accepted and dropped.
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
        }
        listener.close().unwrap().await;
        assert_eq!(accepting.into_iter().map(Lane::join).sum::<i32>(), 200);
    });
}

/// TestTCPStress: many short connections, each with a message there and one back.
#[test]
fn tcp_stress() {
    run(async |poller: Poller| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..2u8)
            .map(|client| {
                Lane::block_on(&poller, move || async move {
                    for round in 0..100u8 {
                        let stream = TcpStream::connect(address).await.unwrap();
                        stream.write_all(&[client ^ round; 384]).await.unwrap();
                        let mut echo = [0; 384];
                        let mut n = 0;
                        while n < echo.len() {
                            n += stream.read(&mut echo[n..]).await.unwrap();
                        }
                        assert_eq!(echo, [client ^ round; 384]);
                    }
                })
            })
            .collect();
        for _ in 0..200 {
            let (stream, _) = listener.accept().await.unwrap();
            let mut n = 0;
            let mut buf = [0; 384];
            while n < buf.len() {
                n += stream.read(&mut buf[n..]).await.unwrap();
            }
            stream.write_all(&buf).await.unwrap();
        }
        clients.into_iter().for_each(Lane::join);
    });
}

/// The end of a wait for a connection that the peer refuses late: SO_ERROR comes out, once.
#[test]
fn a_dial_is_pending_until_the_kernel_answers() {
    run(async |poller: Poller| {
        let (listener, filling) = deaf();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut dial = pin!(TcpStream::connect(address));
        netpoller_tests::assert_blocked(&poller, &mut dial).await;
        // The queue drains, and the SYN that is sent again finds room.
        drop(filling);
        while let Ok((stream, _)) = {
            listener.set_nonblocking(true).unwrap();
            listener.accept()
        } {
            drop(stream);
        }
        dial.await.unwrap();
    });
}
