//! One wrapper that keeps a value on cache lines of its own.

use std::ops::Deref;

/// Aligned to 128 bytes: x86-64 prefetches lines in pairs, and some aarch64 cores have lines of
/// that size.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CachePadded<T>(pub(crate) T);

impl<T> Deref for CachePadded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
