use super::*;

#[test]
fn metrics_are_at_their_path_and_nothing_else_is_anywhere() {
    let poller = netpoller_core::Poller::builder()
        .name("served")
        .build()
        .unwrap();
    let server = start();
    let answer = ask(&server, "GET /metrics HTTP/1.1\nHost: localhost:9464");
    assert_eq!(status(&answer), "200");
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4"),
        "{answer}"
    );
    assert!(answer.contains("x-content-type-options: nosniff"));
    assert!(answer.contains("netpoller_polls_total{poller=\"served\",mode=\"block\"} 0\n"));
    let head = ask(&server, "HEAD /metrics HTTP/1.1\nHost: 127.0.0.1");
    assert_eq!((status(&head), head.ends_with("\r\n\r\n")), ("200", true));
    for path in ["/", "/metrics/", "/debug/pprof", "//metrics", "/Metrics"] {
        assert_eq!(
            status(&ask(
                &server,
                &format!("GET {path} HTTP/1.1\nHost: localhost")
            )),
            "404",
            "{path}"
        );
    }
    let posted = ask(
        &server,
        "POST /metrics HTTP/1.1\nHost: localhost\nContent-Length: 0",
    );
    assert_eq!(status(&posted), "405");
    assert!(posted.contains("allow: GET, HEAD"));
    drop(poller);
}

#[test]
fn a_web_page_cannot_read_metrics_even_with_a_name_that_resolves_to_loopback() {
    let server = start();
    let get = |headers: &str| {
        status(&ask(&server, &format!("GET /metrics HTTP/1.1\n{headers}"))).to_owned()
    };
    assert_eq!(get("Host: evil.example"), "403");
    assert_eq!(get("Host: evil.example:9464"), "403");
    assert_eq!(get("Host: localhost\nHost: evil.example"), "403");
    assert_eq!(get("Host: localhost\nOrigin: http://evil.example"), "403");
    assert_eq!(get("Host: localhost\nSec-Fetch-Site: cross-site"), "403");
    assert_eq!(get("Host: localhost\nSec-Fetch-Site: none"), "200");
    assert_eq!(get(&format!("Host: {}", server.local_addr())), "200");
    assert_eq!(get("Host: [::1]:80"), "200");
}

#[test]
fn a_name_can_be_allowed() {
    let server = Server::builder("127.0.0.1:0".parse().unwrap())
        .host("node7.example")
        .start()
        .unwrap();
    assert_eq!(
        status(&ask(
            &server,
            "GET /metrics HTTP/1.1\nHost: node7.example:9464"
        )),
        "200"
    );
}

#[test]
fn an_address_that_others_can_reach_must_be_allowed() {
    let error = Server::builder("0.0.0.0:0".parse().unwrap())
        .start()
        .unwrap_err();
    assert!(error.to_string().contains("allow_remote"), "{error}");
    Server::builder("0.0.0.0:0".parse().unwrap())
        .allow_remote(true)
        .start()
        .unwrap();
}

#[test]
fn every_number_is_ours_and_no_name_is() {
    let server = Server::builder("0.0.0.0:0".parse().unwrap())
        .allow_remote(true)
        .start()
        .unwrap();
    let port = server.local_addr().port();
    assert_eq!(server.url(), format!("http://127.0.0.1:{port}/metrics"));
    // As Prometheus does that was given an address of this machine.
    let mut stream = net::TcpStream::connect(("127.0.0.2", port)).unwrap();
    let head = format!("GET /metrics HTTP/1.1\r\nHost: 127.0.0.2:{port}\r\n");
    write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), "200");
    let get = |host: &str| {
        let head = format!("GET /metrics HTTP/1.1\nHost: {host}");
        status(&ask_at(port, &head)).to_owned()
    };
    for ours in ["10.1.2.3", "192.0.2.1:9464", "[2001:db8::7]:80", "[::1]"] {
        assert_eq!(get(ours), "200", "{ours}");
    }
    for foreign in [
        "node7.example",
        "127.0.0.1.evil.example",
        "[evil.example]",
        "::1",
        "127.1",
        "evil@127.0.0.1",
        "",
    ] {
        assert_eq!(get(foreign), "403", "{foreign}");
    }
}

#[test]
fn a_request_in_absolute_form_has_to_name_us_too() {
    let server = start();
    let get = |of: &str| {
        let head = format!("GET {of}/metrics HTTP/1.1\nHost: localhost");
        status(&ask(&server, &head)).to_owned()
    };
    assert_eq!(get("http://evil.example"), "403");
    assert_eq!(get("http://evil.example:9464"), "403");
    assert_eq!(get("http://localhost"), "200");
    assert_eq!(get("http://192.0.2.1:9464"), "200");
}

#[test]
fn a_request_whose_length_is_in_doubt_is_refused() {
    let server = start();
    let get = |headers: &str| {
        let head = format!("GET /metrics HTTP/1.1\nHost: localhost\n{headers}");
        let answer = ask(&server, &head);
        status(&answer).to_owned()
    };
    for headers in [
        "Transfer-Encoding: chunked\nContent-Length: 3",
        "Content-Length: 3\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked",
    ] {
        assert_eq!(get(headers), "400", "{headers}");
    }
    assert_eq!(get("Content-Length: 0"), "200");
}

#[test]
fn answers_are_counted_by_their_code() {
    let server = start();
    let before = ["200", "400", "403", "404", "405", "431"].map(|code| (code, answered(code)));
    for head in [
        "GET /metrics HTTP/1.1\nHost: localhost",
        "GET /metrics HTTP/1.1\nHost: evil.example",
        "GET /other HTTP/1.1\nHost: localhost",
        "PUT /metrics HTTP/1.1\nHost: localhost",
        "no request at all",
        &format!("GET /metrics HTTP/1.1\nX: {}", "x".repeat(MAX_HEAD)),
    ] {
        ask(&server, head);
    }
    for (code, before) in before {
        // The last of them when the connection has ended, which is after its answer.
        while answered(code) == before {
            std::thread::yield_now();
        }
    }
}

#[test]
#[ignore = "needs prometheus"]
fn prometheus_scrapes_it_by_an_address_of_the_machine() {
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    let server = Server::builder("0.0.0.0:0".parse().unwrap())
        .allow_remote(true)
        .start()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("prometheus.yml");
    let port = server.local_addr().port();
    let text = format!(
        "scrape_configs:\n- job_name: byip\n  scrape_interval: 1s\n  static_configs:\n  - targets: ['127.0.0.2:{port}']\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            directory.path().join("data").display()
        ))
        .arg("--web.listen-address=127.0.0.1:0")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut log = io::BufReader::new(prometheus.stderr.take().unwrap()).lines();
    let at = |line: &str| -> Option<u16> {
        let (_, port) = line.split_once("127.0.0.1:")?;
        let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|port| *port > 0)
    };
    let own = log.find_map(|line| at(&line.unwrap())).unwrap();
    std::thread::spawn(move || log.for_each(drop));
    let up = || {
        let mut stream = net::TcpStream::connect(("127.0.0.1", own)).ok()?;
        let request = "GET /api/v1/query?query=up HTTP/1.0\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, value) = answer.split_once("\"value\":[")?;
        value.split('"').nth(1).map(str::to_owned)
    };
    let seen = loop {
        match up() {
            Some(up) => break up,
            None => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    prometheus.kill().unwrap();
    prometheus.wait().unwrap();
    assert_eq!(seen, "1");
}

#[test]
fn openmetrics_and_gzip_are_for_those_who_ask() {
    use std::io::Read;
    let server = start();
    let open = "GET /metrics HTTP/1.1\nHost: localhost\nAccept: application/openmetrics-text;version=1.0.0";
    let answer = ask(&server, open);
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(answer.contains("vary: accept, accept-encoding\r\n") && answer.ends_with("# EOF\n"));

    let mut stream = net::TcpStream::connect(server.local_addr()).unwrap();
    let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]);
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer[end + 4..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("# TYPE netpoller_polls_total counter\n"));
    assert!((answer.len() - end) * 2 < text.len(), "it is much smaller");
}
