//! A page that tries what pages can, served from an origin of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The status of the page itself, which no other server uses.
pub(crate) const STATUS: u16 = 203;
/// Requests that the page sends to each address.
pub(crate) const ATTEMPTS: usize = 9;

/// The server of the page. It goes on for as long as the process.
pub(crate) struct Page {
    address: SocketAddr,
}

impl Page {
    /// Serves a page that tries its luck at each of `targets`.
    pub(crate) fn serve(targets: &[String]) -> Self {
        let targets: Vec<_> = targets.iter().map(|t| format!("{t:?}")).collect();
        let html = HTML.replace("TARGETS", &targets.join(","));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let html = html.clone();
                std::thread::spawn(move || answer(&stream, &html));
            }
        });
        Self { address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

fn answer(mut stream: &TcpStream, html: &str) {
    let head = BufReader::new(stream).lines().map_while(Result::ok);
    let _ = head.take_while(|line| !line.is_empty()).count();
    // A browser that leaves early has what it came for.
    let _ = write!(
        stream,
        "HTTP/1.1 {STATUS} Page\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{html}",
        html.len()
    );
}

/// An answer that the page may read, with a status of success, counts as read. One without is a
/// refusal, and one that is opaque is for the log to judge.
const HTML: &str = r#"<!doctype html><title>elsewhere</title><p id="result">not done</p><script>
const message = new Uint8Array(5);
const method = "/netpoller.v1.Inspector/GetServer";
const post = (type, mode) => ({ method: "POST", mode, body: message, headers: { "content-type": type } });
const attempts = [
  [method, post("application/grpc", "cors")],
  [method, post("application/grpc-web+proto", "cors")],
  [method, post("text/plain", "cors")],
  [method, post("text/plain", "no-cors")],
  [method, { mode: "no-cors" }],
  ["/metrics", {}],
  ["/metrics", { mode: "no-cors" }],
  ["/metrics", { method: "POST", mode: "no-cors", body: "x" }],
  ["/", { mode: "no-cors", credentials: "include" }],
];
(async () => {
  const said = [];
  let tried = 0, read = 0;
  for (const target of [TARGETS]) {
    for (const [path, options] of attempts) {
      tried += 1;
      try {
        const answer = await fetch(target + path, options);
        if (answer.ok || (answer.type !== "opaque" && (await answer.text()).length > 0)) read += 1;
        said.push(`${target}${path} ${answer.type} ${answer.status}`);
      } catch (error) {
        said.push(`${target}${path} ${error}`);
      }
    }
  }
  document.getElementById("result").textContent = `tried ${tried}, read ${read}: ${said.join("; ")}`;
})();
</script>"#;
