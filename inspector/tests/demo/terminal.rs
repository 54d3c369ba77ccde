//! The demo in a real terminal, driven by tmux.

use netpoller_tests::eventually;
use netpoller_tests::program::kill;
use netpoller_tests::tmux::Tmux;

/// A terminal with `netpoller demo ARGUMENTS` in a shell, which says afterwards how it ended.
#[track_caller]
fn open(arguments: &str) -> Tmux {
    let script = format!(
        "{} demo {arguments}; echo \"ended: $?\"; stty -a | grep -o -w -e '-\\?echo' -e '-\\?icanon' | tr '\\n' ' '; cat",
        netpoller_tests::built("netpoller").display()
    );
    Tmux::open(160, 40, &script)
}

#[test]
#[ignore = "needs tmux"]
fn the_demo_shows_the_tables_live_and_leaves_the_terminal_clean_when_quit() {
    let terminal = open("--connections 40");
    terminal.shows_all(&["tcp_lis", "parked", "RD", "WR"]);
    assert!(terminal.is_alternate());
    terminal.press(&["2"]);
    terminal.shows_all(&["stuck", "clients.rs:"]);
    terminal.press(&["3"]);
    terminal.shows_all(&["wake_latency", "p99"]);
    terminal.press(&["4"]);
    terminal.shows_all(&["global", "inline"]);
    terminal.press(&["5"]);
    terminal.shows_all(&["opened and", "clients.rs:", "ESTABLISHED"]);
    terminal.press(&["?"]);
    terminal.shows_all(&["quit"]);
    terminal.press(&["Escape"]);
    terminal.press(&["q"]);
    terminal.shows_all(&["ended: 0", " echo", "icanon"]);
    assert!(!terminal.is_alternate());
}

#[test]
#[ignore = "needs tmux"]
fn sigterm_leaves_the_terminal_clean() {
    let terminal = open("--connections 10");
    terminal.shows_all(&["tcp_lis"]);
    let pid: u32 = eventually("the process", || {
        let sockets = terminal.scratch().join("netpoller");
        let name = std::fs::read_dir(sockets).ok()?.next()?.ok()?.file_name();
        name.to_str()?.split('-').next()?.parse().ok()
    });
    kill(pid, rustix::process::Signal::TERM);
    terminal.shows_all(&["ended: 143", " echo", "icanon"]);
    assert!(!terminal.is_alternate());
}
