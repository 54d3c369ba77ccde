//! The browser: started without a window, on one address, with nothing of this machine's user.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use netpoller_tests::tool;

/// Where it is, and a directory for what it keeps.
pub(crate) struct Chromium {
    program: PathBuf,
    directory: tempfile::TempDir,
}

/// What came of a visit.
pub(crate) struct Visit {
    /// The page as it was in the end.
    pub(crate) dom: String,
    log: String,
}

impl Chromium {
    pub(crate) fn find() -> Self {
        Self {
            program: tool(&["chromium", "chromium-browser", "google-chrome"]),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    /// For files that go with it.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Opens `url`, and lets its scripts run to their end.
    pub(crate) fn visit(&self, url: &str) -> Visit {
        let log = self.directory.path().join("net.json");
        let mut profile = std::ffi::OsString::from("--user-data-dir=");
        profile.push(self.directory.path().join("profile"));
        let mut net_log = std::ffi::OsString::from("--log-net-log=");
        net_log.push(&log);
        let output = Command::new(&self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--no-proxy-server",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--disable-sync",
                "--ignore-certificate-errors",
                "--host-resolver-rules=MAP rebound.example 127.0.0.1",
                "--virtual-time-budget=20000",
                "--dump-dom",
            ])
            .args([&profile, &net_log])
            .arg(url)
            .env("HOME", self.directory.path())
            .env("TMPDIR", self.directory.path())
            .stdin(Stdio::null())
            .output()
            .expect("start chromium");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "chromium failed: {said}");
        Visit {
            dom: String::from_utf8_lossy(&output.stdout).into_owned(),
            log: std::fs::read_to_string(log).expect("the log of the network"),
        }
    }
}

impl Visit {
    /// The statuses of all answers that the browser got, as its log writes them: the first line of
    /// HTTP/1, or the pseudo-header of HTTP/2.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        ["\"HTTP/1.1 ", "\":status: "]
            .into_iter()
            .flat_map(|start| self.log.split(start).skip(1))
            .filter_map(|rest| rest.get(..3)?.parse().ok())
            .collect()
    }
}
