//! Tasks that keep their thread from all else.

use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::runtime::Runtime;
use crate::waiter::{eventually, number};

/// Whether one has begun.
type Begun = Arc<AtomicBool>;

/// Starts one, and returns its number once it has begun.
pub fn start(runtime: &Runtime, time: Duration, by: &str) -> Result<i64, String> {
    let begun = Begun::default();
    let task = match by {
        "spin" => runtime.spawn(spin(Arc::clone(&begun), time)),
        "sleep" => runtime.spawn(sleep(Arc::clone(&begun), time)),
        _ => return Err(format!("nothing blocks by that: {by}")),
    };
    eventually(|| begun.load(Ordering::SeqCst))?;
    Ok(number(&task))
}

async fn spin(begun: Begun, time: Duration) {
    let start = Instant::now();
    begun.store(true, Ordering::SeqCst);
    while start.elapsed() < time {
        hint::spin_loop();
    }
}

async fn sleep(begun: Begun, time: Duration) {
    begun.store(true, Ordering::SeqCst);
    thread::sleep(time);
}
