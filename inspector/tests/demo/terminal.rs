//! The demo in a real terminal, driven by tmux.

use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use netpoller_tests::program::{isolated, kill};
use netpoller_tests::tool;
use netpoller_tests::{LIMIT, eventually};

/// A terminal of 160 by 40, with a server of its own.
struct Terminal {
    scratch: TempDir,
}

impl Terminal {
    /// Runs `netpoller demo ARGUMENTS` in a shell that says afterwards how it ended.
    fn open(arguments: &str) -> Self {
        let terminal = Self {
            scratch: tempfile::tempdir().unwrap(),
        };
        let script = format!(
            "{} demo {arguments}; echo \"ended: $?\"; stty -a | grep -o -w -e '-\\?echo' -e '-\\?icanon' | tr '\\n' ' '; cat",
            netpoller_tests::built("netpoller").display()
        );
        let status = terminal
            .command()
            .args([
                "-f",
                "/dev/null",
                "new-session",
                "-d",
                "-x",
                "160",
                "-y",
                "40",
                "sh",
                "-c",
                &script,
            ])
            .status()
            .unwrap();
        assert!(status.success());
        terminal
    }

    fn command(&self) -> Command {
        let mut command = isolated(tool(&["tmux"]), self.scratch.path());
        command.arg("-S").arg(self.scratch.path().join("tmux.sock"));
        command
    }

    fn keys(&self, keys: &[&str]) {
        assert!(
            self.command()
                .arg("send-keys")
                .args(keys)
                .status()
                .unwrap()
                .success()
        );
    }

    fn screen(&self) -> String {
        let output = self
            .command()
            .args(["capture-pane", "-p"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[track_caller]
    fn shows(&self, words: &[&str]) -> String {
        let give_up = Instant::now() + LIMIT;
        loop {
            let screen = self.screen();
            if words.iter().all(|word| screen.contains(word)) {
                return screen;
            }
            assert!(
                Instant::now() < give_up,
                "a screen with {words:?} did not come about in {LIMIT:?}; the last:\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the program in the terminal has switched to the alternate screen.
    fn alternate(&self) -> bool {
        let output = self
            .command()
            .args(["display-message", "-p", "#{alternate_on}"])
            .output()
            .unwrap();
        output.stdout.starts_with(b"1")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
    }
}

#[test]
#[ignore = "needs tmux"]
fn the_demo_shows_the_tables_live_and_leaves_the_terminal_clean_when_quit() {
    let terminal = Terminal::open("--connections 40");
    terminal.shows(&["tcp_lis", "parked", "RD", "WR"]);
    assert!(terminal.alternate());
    terminal.keys(&["2"]);
    terminal.shows(&["stuck", "clients.rs:"]);
    terminal.keys(&["3"]);
    terminal.shows(&["wake_latency", "p99"]);
    terminal.keys(&["4"]);
    terminal.shows(&["global", "inline"]);
    terminal.keys(&["?"]);
    terminal.shows(&["quit"]);
    terminal.keys(&["Escape"]);
    terminal.keys(&["q"]);
    terminal.shows(&["ended: 0", " echo", "icanon"]);
    assert!(!terminal.alternate());
}

#[test]
#[ignore = "needs tmux"]
fn sigterm_leaves_the_terminal_clean() {
    let terminal = Terminal::open("--connections 10");
    terminal.shows(&["tcp_lis"]);
    let pid: u32 = eventually("the process", || {
        let sockets = terminal.scratch.path().join("netpoller");
        let name = std::fs::read_dir(sockets).ok()?.next()?.ok()?.file_name();
        name.to_str()?.split('-').next()?.parse().ok()
    });
    kill(pid, rustix::process::Signal::TERM);
    terminal.shows(&["ended: 143", " echo", "icanon"]);
    assert!(!terminal.alternate());
}
