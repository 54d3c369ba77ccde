//! A real terminal, driven by tmux.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::program::isolated;
use crate::{eventually, tool};

/// A terminal in a tmux server of its own, which does not outlive this.
#[derive(Debug)]
pub struct Tmux {
    scratch: TempDir,
}

impl Tmux {
    /// Opens a terminal of this size, in which a shell runs `script`.
    ///
    /// # Panics
    ///
    /// If tmux does not start.
    #[track_caller]
    pub fn open(columns: u16, rows: u16, script: &str) -> Self {
        let terminal = Self {
            scratch: tempfile::tempdir().expect("make a directory"),
        };
        let status = terminal
            .command()
            .args(["-u", "-f", "/dev/null", "new-session", "-d"])
            .args(["-x", &columns.to_string(), "-y", &rows.to_string()])
            .args(["sh", "-c", script])
            .status();
        assert!(status.expect("run tmux").success());
        terminal
    }

    /// The home of what runs in it.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    fn command(&self) -> Command {
        let mut command = isolated(tool(&["tmux"]), self.scratch());
        command.arg("-S").arg(self.scratch().join("tmux.sock"));
        command
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().expect("run tmux");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Presses these keys, by the names that tmux has for them.
    ///
    /// # Panics
    ///
    /// If there is no such terminal any more.
    #[track_caller]
    pub fn press(&self, keys: &[&str]) {
        let status = self.command().arg("send-keys").args(keys).status();
        assert!(status.expect("run tmux").success());
    }

    /// Returns what is on the screen.
    pub fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// Returns whether the program in it has switched to the alternate screen.
    pub fn is_alternate(&self) -> bool {
        self.ask(&["display-message", "-p", "#{alternate_on}"])
            .starts_with('1')
    }

    /// Waits for a screen of which `holds` is true, and returns it.
    ///
    /// # Panics
    ///
    /// If it does not come about in time.
    #[track_caller]
    pub fn shows(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        eventually(what, || {
            let screen = self.screen();
            if screen != last {
                // What a test that fails has seen.
                println!("{screen}");
                last.clone_from(&screen);
            }
            holds(&screen).then_some(screen)
        })
    }

    /// Waits for a screen with all of `words`, and returns it.
    ///
    /// # Panics
    ///
    /// If it does not come about in time.
    #[track_caller]
    pub fn shows_all(&self, words: &[&str]) -> String {
        self.shows(&format!("a screen with {words:?}"), |screen| {
            words.iter().all(|word| screen.contains(word))
        })
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").output();
    }
}
