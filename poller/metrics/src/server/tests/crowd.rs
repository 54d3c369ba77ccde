use super::*;

// Two of these ask for a path that is not there: the exposition of all pollers of all tests
// takes long.

/// One that asks once and stays, as Prometheus does.
fn stay(server: &Server) -> net::TcpStream {
    let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
    let time = Some(Duration::from_secs(300));
    stream.set_read_timeout(time).unwrap();
    stream
        .write_all(b"HEAD /other HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    stream
}

#[test]
fn connections_that_are_left_open_keep_nobody_out_and_the_idlest_goes() {
    let server = start();
    let limit = Limits::default().connections;
    let mut open: Vec<_> = (0..limit).map(|_| stay(&server)).collect();
    for _ in 0..limit + 1 {
        open.push(stay(&server));
    }
    // The first of all has been closed, without a word; the last is there and is answered
    // again.
    assert_eq!(open[0].read(&mut [0]).unwrap_or(0), 0);
    let mut last = open.pop().unwrap();
    last.write_all(b"GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = [0; 12];
    last.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 404");
}

#[test]
fn connections_that_say_nothing_or_half_a_head_keep_nobody_out() {
    let server = start();
    let limit = Limits::default().connections;
    let _silent: Vec<_> = (0..2 * limit)
        .map(|number| {
            let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
            stream.write_all(&b"GET /metrics"[..number % 12]).unwrap();
            stream
        })
        .collect();
    let answer = ask(&server, "GET /metrics HTTP/1.1\nHost: localhost");
    assert_eq!(status(&answer), "200");
}

#[test]
fn a_head_that_does_not_end_ends_the_connection() {
    let server = with(Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    });
    let mut open = vec![net::TcpStream::connect(server.local_addr()).unwrap()];
    open.push(net::TcpStream::connect(server.local_addr()).unwrap());
    open[1].write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    for mut stream in open {
        stream
            .set_read_timeout(Some(Duration::from_secs(300)))
            .unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
}

fn with(limits: Limits) -> Server {
    let mut builder = Server::builder("127.0.0.1:0".parse().unwrap());
    // Nobody has the time here to wait for limits that are meant for people.
    builder.limits = limits;
    builder.start().unwrap()
}

/// Asks for far more than there is room for, and reads nothing.
fn ask_and_read_nothing(server: &Server) -> net::TcpStream {
    let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(4000);
    // As much as there is room for.
    let _ = stream.write(request.as_bytes());
    stream
}

/// The status of the next request, 404 if it was answered; none if it was cut off.
fn next(server: &Server) -> Option<String> {
    let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
    let time = Some(Duration::from_secs(300));
    stream.set_read_timeout(time).unwrap();
    stream
        .write_all(b"GET /other HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_whitespace().nth(1).map(str::to_owned)
}

#[test]
fn who_comes_while_all_are_answered_is_told_so_and_counted() {
    let server = with(Limits {
        connections: 2,
        patience: Duration::MAX,
        write: Duration::from_secs(600),
        ..Limits::default()
    });
    let before = answered("503");
    let mut busy: Vec<_> = (0..2).map(|_| ask_and_read_nothing(&server)).collect();
    // Until both are stuck in an answer.
    while next(&server).as_deref() != Some("503") {
        std::thread::yield_now();
    }
    assert!(answered("503") > before);
    drop(busy.pop());
    while next(&server).as_deref() != Some("404") {
        std::thread::yield_now();
    }
}

#[test]
fn who_asks_and_reads_nothing_keeps_nobody_out() {
    // By the one rule or by the other.
    let by_patience = Limits {
        patience: Duration::from_millis(50),
        write: Duration::from_secs(600),
        ..Limits::default()
    };
    let by_write = Limits {
        patience: Duration::MAX,
        write: Duration::from_millis(50),
        ..Limits::default()
    };
    for limits in [by_patience, by_write] {
        let server = with(limits);
        let _busy: Vec<_> = (0..16).map(|_| ask_and_read_nothing(&server)).collect();
        let served = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while next(&server).as_deref() != Some("404") {
                    std::thread::yield_now();
                }
                served.0.send(()).unwrap();
            });
            served
                .1
                .recv_timeout(Duration::from_secs(600))
                .expect("they keep it out");
        });
    }
}

#[test]
fn a_crowd_that_comes_at_once_is_answered_or_told_that_there_is_no_room() {
    let server = start();
    let scrape = || next(&server);
    let statuses: Vec<_> = std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..100).map(|_| scope.spawn(scrape)).collect();
        crowd
            .into_iter()
            .map(|client| client.join().unwrap())
            .collect()
    });
    let count = |code| statuses.iter().filter(|it| it.as_deref() == code).count();
    assert!(count(Some("404")) > 0, "{statuses:?}");
    assert_eq!(count(Some("404")) + count(Some("503")) + count(None), 100);
}
