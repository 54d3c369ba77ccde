//! How late the machine is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How late this machine lets threads run that are due. A thread that is kept from running for
/// longer than a hold time does look as if it did not work, and that is then no false alarm.
#[derive(Debug)]
pub struct Lateness {
    /// The worst case so far of a thread that only sleeps.
    worst_ns: Arc<AtomicU64>,
    /// What the threads of this process had waited for a processor when it began.
    waited_before: Duration,
}

impl Lateness {
    /// Begins to watch.
    pub fn watch() -> Self {
        let worst_ns = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&worst_ns);
        // It ends when nobody wants to know any more.
        std::thread::spawn(move || {
            let pause = Duration::from_millis(1);
            while let Some(worst_ns) = watched.upgrade() {
                let began = Instant::now();
                std::thread::sleep(pause);
                let late = began.elapsed().saturating_sub(pause);
                worst_ns.fetch_max(late.as_nanos() as u64, Ordering::Relaxed);
            }
        });
        Self {
            worst_ns,
            waited_before: waited_for_a_processor(),
        }
    }

    /// Whether a fault that must last for so long may come of it. Several delays may add up.
    pub fn explains(&self, brief: Duration) -> bool {
        let worst = Duration::from_nanos(self.worst_ns.load(Ordering::Relaxed));
        // The scheduler is kinder to one that sleeps than to one that works, so those are asked
        // about too.
        let waited = waited_for_a_processor().saturating_sub(self.waited_before);
        worst > brief / 10 || waited > brief / 2
    }
}

/// How long the threads of this process, which there are now, were runnable and did not run
/// (proc(5), `schedstat`). Zero where the kernel does not count it.
fn waited_for_a_processor() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    threads
        .filter_map(|thread| {
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            let waited = text.split_whitespace().nth(1)?.parse().ok()?;
            Some(Duration::from_nanos(waited))
        })
        .sum()
}
