//! Which process this is, and which pollers it has.

use std::path::PathBuf;
use std::sync::OnceLock;

use netpoller_core::{internals, view};
use netpoller_proto::v1::{self, GetServerResponse};

use super::encode;
use crate::wall;

/// What does not change while the process lives, and may not be there to be read later: after
/// chroot(2) there is no /proc, and without a descriptor left no file can be opened.
#[derive(Debug)]
struct Process {
    executable: PathBuf,
    boot_id: String,
    kernel: String,
}

impl Process {
    fn get() -> &'static Self {
        static PROCESS: OnceLock<Process> = OnceLock::new();
        PROCESS.get_or_init(|| {
            let first_line = |path| {
                std::fs::read_to_string(path)
                    .map(|text| text.trim().to_owned())
                    .unwrap_or_default()
            };
            let names = [
                std::env::current_exe().unwrap_or_default(),
                first_line("/proc/self/comm").into(),
                // There is no /proc. A name it has to have.
                format!("process-{}", std::process::id()).into(),
            ];
            let mut names = names.into_iter();
            Process {
                executable: names
                    .find(|name| name.file_name().is_some())
                    .unwrap_or_default(),
                boot_id: first_line("/proc/sys/kernel/random/boot_id"),
                kernel: first_line("/proc/sys/kernel/osrelease"),
            }
        })
    }
}

/// Reads what may not be there to be read later.
pub(crate) fn remember_process() {
    Process::get();
}

/// The answer; without the folder of the executable if addresses are hidden.
pub(crate) fn server(redacted: bool) -> GetServerResponse {
    let process = Process::get();
    let executable = match process.executable.file_name() {
        // Where it lies is nobody's business who may not see addresses either.
        Some(name) if redacted => name.to_string_lossy().into_owned(),
        _ => process.executable.display().to_string(),
    };
    let captured_at_ns = view::now_ns();
    GetServerResponse {
        protocol: netpoller_proto::PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        executable,
        start_ticks: internals::start_ticks(),
        captured_at_ns,
        wall_clock_ns: wall::Anchor::now().wall_ns(captured_at_ns),
        started_at_ns: view::started_at_ns(),
        boot_id: process.boot_id.clone(),
        kernel: process.kernel.clone(),
        pollers: view::pollers()
            .iter()
            .map(|poller| v1::Poller {
                polled_by: encode::polled_by(poller),
                ..encode::poller(&poller.info())
            })
            .collect(),
        redacted,
        outside: None,
        recording: None,
        lints: encode::lints(),
    }
}
