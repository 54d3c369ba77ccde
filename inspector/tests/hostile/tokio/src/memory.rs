//! Words of its own memory, written and read whoever uses them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns the word at an address.
pub fn load(at: u64) -> u64 {
    copy(at, 1)[0]
}

/// Copies so many words, or zeros from where there is no memory.
pub fn copy(at: u64, count: usize) -> Vec<u64> {
    let mut bytes = vec![0; 8 * count];
    let memory = File::open("/proc/self/mem").expect("its memory");
    // What is behind the end of what is copied may be there or not.
    let _ = memory.read_at(&mut bytes, at);
    let words = bytes.chunks_exact(8);
    words
        .map(|it| u64::from_ne_bytes(it.try_into().expect("eight")))
        .collect()
}

/// Writes a word there.
pub fn store(at: u64, word: u64) {
    // SAFETY: it is a word of tokio's own that nobody else uses any more, for nothing happens at
    // that descriptor; it is never freed.
    let it = unsafe { &*(at as *const AtomicU64) };
    it.store(word, Ordering::Relaxed);
}

/// Memory of what is made up.
pub struct Words(Vec<AtomicU64>);

impl Words {
    pub fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU64::new(0)).collect())
    }

    pub fn address(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    pub fn set(&self, at: usize, word: u64) {
        self.0[at].store(word, Ordering::Relaxed);
    }
}

/// Numbers by chance.
pub struct Dice(pub u64);

impl Dice {
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }

    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}
