//! A service on tokio that lies about who waits: it writes anything, as fast as it can, over what
//! tokio keeps of its descriptors, and over tasks, lists of tasks and schedulers that it has made
//! up. One reader is real.
//!
//! tokio never looks at what is overwritten, for nothing happens at these descriptors.

mod memory;

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, RawFd};
use std::thread;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::runtime::Builder;

use memory::{Dice, Words, copy, load, store};

/// Descriptors of which it lies, two for each pair of sockets.
const LIARS: usize = 64;
const TASKS: usize = 16;
const NODES: usize = 16;
/// One for each thread that lies.
const SEEDS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x2545_f491_4f6c_dd1d];

/// Where what is lied about is in tokio's `ScheduledIo`, in words: readiness, the lock, both ends
/// of the list of those who wait, and the wakers to read and to write.
const READINESS: u64 = 2;
const HEAD: u64 = 4;
const READ_WAKER: u64 = 6;
const END: u64 = 10;

/// What follows the functions in the table of a task: where its trailer is, and its scheduler.
const TRAILER: u64 = 7;
const SCHEDULER: u64 = 8;
/// Words that are copied of a task and of its scheduler.
const TASK: usize = 128;
const LARGEST_SCHEDULER: usize = 1_024;
/// Parts of its list of tasks, of three words each.
const PARTS: usize = 3 * 64;

fn main() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime starts");
    let (honest, _writer, _open, lying) = runtime.block_on(async {
        let (reader, writer) = UnixStream::pair().expect("a pair");
        let honest = reader.as_raw_fd();
        tokio::spawn(wait(reader));
        let open: Vec<_> = (0..LIARS / 2)
            .map(|_| UnixStream::pair().expect("a pair"))
            .collect();
        let both = open.iter().flat_map(|(one, other)| [one, other]);
        let lying: Vec<RawFd> = both.map(AsRawFd::as_raw_fd).collect();
        (honest, writer, open, lying)
    });
    let registered = registered();
    let model = Model::of(registered[&honest]);
    let lying_at: Vec<u64> = lying.iter().map(|it| registered[it]).collect();
    println!("{} {honest} {}", lying_at.len(), lying[0]);
    let made: &'static Made = Box::leak(Box::new(Made::new(model)));
    for seed in SEEDS {
        let lying_at = lying_at.clone();
        thread::spawn(move || {
            let _seen = Seen;
            lie(&lying_at, made, Dice(seed));
        });
    }
    runtime.spawn(churn());
    // What has been overwritten is never dropped.
    let _ = std::io::stdin().read(&mut [0]);
    std::process::exit(0);
}

/// Ends the process with the thread that has it, if that panics: it would lie no more.
struct Seen;

impl Drop for Seen {
    fn drop(&mut self) {
        std::process::abort();
    }
}

async fn wait(mut reader: UnixStream) {
    let mut byte = [0];
    reader.read_exact(&mut byte).await.expect("it is open");
}

/// Lets real tasks come and go.
async fn churn() {
    loop {
        let tasks: Vec<_> = (0..100).map(|_| tokio::spawn(async {})).collect();
        for task in tasks {
            task.await.expect("it does not panic");
        }
    }
}

/// The words with which descriptors are registered, as /proc tells them.
fn registered() -> HashMap<RawFd, u64> {
    let files = fs::read_dir("/proc/self/fdinfo").expect("a list");
    let texts = files.filter_map(|it| fs::read_to_string(it.ok()?.path()).ok());
    let texts: Vec<String> = texts.collect();
    let entries = texts.iter().flat_map(|it| it.lines()).filter_map(|line| {
        let mut words = line.strip_prefix("tfd:")?.split_whitespace();
        let fd = words.next()?.parse().ok()?;
        let data = words.skip_while(|it| *it != "data:").nth(1)?;
        Some((fd, u64::from_str_radix(data, 16).ok()?))
    });
    entries.collect()
}

/// The real task that waits, by which others are made up.
struct Model {
    vtable: u64,
    task: Vec<u64>,
    scheduler: Vec<u64>,
    /// Words of the task: where its trailer is, and its scheduler.
    trailer: usize,
    scheduler_at: usize,
}

impl Model {
    /// Takes it from where one is registered who reads, once it waits.
    fn of(registered: u64) -> Self {
        let at = registered + 8 * READ_WAKER;
        while load(at) == 0 {
            thread::yield_now();
        }
        let (vtable, header) = (load(at), load(at + 8));
        let task = copy(header, TASK);
        let index = |at: u64| (load(task[2] + 8 * at) / 8) as usize;
        let (trailer, scheduler_at) = (index(TRAILER), index(SCHEDULER));
        assert!(trailer + 2 <= TASK && scheduler_at < trailer, "{task:?}");
        let scheduler = copy(task[scheduler_at], LARGEST_SCHEDULER);
        Self {
            vtable,
            task,
            scheduler,
            trailer,
            scheduler_at,
        }
    }
}

/// What there is not.
struct Made {
    model: Model,
    tasks: Vec<Words>,
    scheduler: Words,
    parts: Words,
    nodes: Vec<Words>,
}

impl Made {
    fn new(model: Model) -> Self {
        let words = |count: usize, size| (0..count).map(|_| Words::new(size)).collect();
        let made = Self {
            tasks: words(TASKS, TASK),
            scheduler: Words::new(LARGEST_SCHEDULER),
            parts: Words::new(PARTS),
            nodes: words(NODES, 5),
            model,
        };
        // Its list of tasks, and whatever looks like that, is the one that is made up.
        for (at, pair) in made.model.scheduler.windows(2).enumerate() {
            let is_list = pair[0] > 4_096 && (4..=64).contains(&pair[1]);
            made.scheduler.set(
                at,
                match is_list && pair[1].is_power_of_two() {
                    true => made.parts.address(),
                    false => pair[0],
                },
            );
        }
        for task in &made.tasks {
            made.restore(task);
        }
        made
    }

    /// Makes a task as it was.
    fn restore(&self, task: &Words) {
        for (at, word) in self.model.task.iter().enumerate() {
            task.set(at, *word);
        }
        task.set(self.model.scheduler_at, self.scheduler.address());
    }

    fn any_task(&self, dice: &mut Dice) -> u64 {
        dice.one(&self.tasks).address()
    }
}

/// Writes anything, over and over.
fn lie(registered: &[u64], made: &Made, mut dice: Dice) {
    loop {
        change_task(made, &mut dice);
        let part = 3 * dice.below(PARTS / 3);
        made.parts.set(part + 1, made.any_task(&mut dice));
        change_node(made, &mut dice);
        for _ in 0..8 {
            change(*dice.one(registered), made, &mut dice);
        }
    }
}

fn change_task(made: &Made, dice: &mut Dice) {
    let task = dice.one(&made.tasks);
    let trailer = made.model.trailer;
    match dice.below(6) {
        0 => made.restore(task),
        1 => task.set(dice.below(TASK), anything(made, dice)),
        // A state, a table of functions or an owner.
        2 => task.set(*dice.one(&[0, 2, 3]), anything(made, dice)),
        // A list of tasks that ends in a circle.
        _ => {
            let (before, behind) = (made.any_task(dice), made.any_task(dice));
            task.set(trailer, before);
            task.set(trailer + 1, behind);
        }
    }
}

/// Somebody who waits in a list: the one before, the one behind, a waker, and for what.
fn change_node(made: &Made, dice: &mut Dice) {
    let node = dice.one(&made.nodes);
    for at in 0..2 {
        node.set(at, dice.one(&made.nodes).address());
    }
    node.set(2, made.model.vtable);
    node.set(3, made.any_task(dice));
    node.set(4, 1 + dice.below(3) as u64);
    if dice.below(4) == 0 {
        node.set(dice.below(5), anything(made, dice));
    }
}

fn change(registered: u64, made: &Made, dice: &mut Dice) {
    let put = |at: u64, word| store(registered + 8 * at, word);
    // The words that say which one it is are left alone.
    match dice.below(5) {
        0 => {
            let at = READINESS + dice.below((END - READINESS) as usize) as u64;
            put(at, anything(made, dice));
        }
        1 => {
            let one = dice.one(&made.nodes);
            // Alone, or with others.
            if dice.below(2) == 0 {
                one.set(0, 0);
                one.set(1, 0);
            }
            put(HEAD, one.address());
            put(HEAD + 1, one.address());
        }
        2 => (READINESS..HEAD + 2).for_each(|at| put(at, 0)),
        _ => {
            // As if a task polled, to read or to write.
            let side = READ_WAKER + 2 * dice.below(2) as u64;
            put(side, made.model.vtable);
            put(side + 1, made.any_task(dice));
        }
    }
}

fn anything(made: &Made, dice: &mut Dice) -> u64 {
    match dice.below(7) {
        0 => dice.below(4) as u64,
        1 => made.any_task(dice),
        2 => made.any_task(dice) + 8 * dice.below(TASK) as u64,
        3 => made.scheduler.address() + 8 * dice.below(LARGEST_SCHEDULER) as u64,
        4 => u64::MAX - dice.below(1 << 20) as u64,
        5 => 0,
        _ => dice.word(),
    }
}
