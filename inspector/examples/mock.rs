//! Serves made-up rows, to look at the terminal UI without a service: `cargo run -p
//! netpoller-inspector --example mock -- /tmp/mock.sock 300`, then `netpoller -t /tmp/mock.sock`.

use std::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(socket), rows) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: mock SOCKET [ROWS]");
        std::process::exit(2);
    };
    let rows = rows.and_then(|rows| rows.parse().ok()).unwrap_or(300);
    netpoller_tests::mock::Mock::new(rows)
        .serve(Path::new(&socket))
        .await;
}
