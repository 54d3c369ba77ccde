//! Waits until the runtime rests: no task is running, and none is about to.

use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// How long a wait may take to begin or to end. It is an error if it takes longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A thread, and how often it has ceased to run and begun again.
type Sleeper = (String, [u64; 2]);

/// Returns once every other thread of this process has slept at one time.
///
/// A thread of a runtime sleeps only when it has found nothing to do, and whoever gives it
/// something wakes it in doing so. Those that have slept in two looks, and not run in between, have
/// all slept at the end of the first one.
pub fn settle() -> Result<(), String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let all = sleepers().and_then(|before| Ok((before, sleepers()?)));
        match all.map_err(|error| error.to_string())? {
            (Some(before), Some(after)) if before == after => return Ok(()),
            _ => thread::sleep(Duration::from_micros(200)),
        }
    }
    Err("the runtime does not come to rest".to_owned())
}

/// All threads but this one, or `None` if one of them runs.
fn sleepers() -> io::Result<Option<Vec<Sleeper>>> {
    let this = fs::read_link("/proc/thread-self")?;
    let mut all = Vec::new();
    for thread in fs::read_dir("/proc/self/task")? {
        let name = thread?.file_name();
        if this.file_name() == Some(&name) {
            continue;
        }
        let name = name.to_string_lossy().into_owned();
        // It may have ended since.
        let Ok(status) = fs::read_to_string(format!("/proc/self/task/{name}/status")) else {
            return Ok(None);
        };
        let Some(switches) = switches(&status) else {
            return Ok(None);
        };
        all.push((name, switches));
    }
    Ok(Some(all))
}

/// How often a thread that sleeps has ceased to run, as the kernel writes it.
fn switches(status: &str) -> Option<[u64; 2]> {
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    if !value("State:")?.starts_with('S') {
        return None;
    }
    let voluntary = value("voluntary_ctxt_switches:")?.parse().ok()?;
    let other = value("nonvoluntary_ctxt_switches:")?.parse().ok()?;
    Some([voluntary, other])
}
