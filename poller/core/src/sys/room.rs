//! Memory that a read fills, initialised or not: the traits of tokio and hyper hand out memory that
//! is not, and to zero it first costs more than most reads.

/// Room for bytes.
///
/// # Safety
///
/// What `start` returns is valid for writes of `size` bytes, until the room is used otherwise.
pub(crate) unsafe trait Room {
    /// How many bytes it takes.
    fn size(&self) -> usize;

    /// Where they go.
    fn start(&mut self) -> *mut u8;

    /// Takes the first `n` bytes for part of its content.
    ///
    /// # Safety
    ///
    /// They were written.
    unsafe fn filled(&mut self, n: usize);
}

// SAFETY: a slice is valid for writes of its length.
unsafe impl Room for [u8] {
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }

    #[inline]
    fn start(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    #[inline]
    // SAFETY: the contract is the one of the trait.
    unsafe fn filled(&mut self, _n: usize) {}
}

// SAFETY: what is not filled of a buffer is valid for writes of its length.
#[cfg(feature = "tokio")]
unsafe impl Room for tokio::io::ReadBuf<'_> {
    #[inline]
    fn size(&self) -> usize {
        self.remaining()
    }

    #[inline]
    fn start(&mut self) -> *mut u8 {
        // SAFETY: bytes are only ever written through the pointer, so that what is initialised
        // stays so.
        unsafe { self.unfilled_mut() }.as_mut_ptr().cast()
    }

    #[inline]
    // SAFETY: the contract is the one of the trait.
    unsafe fn filled(&mut self, n: usize) {
        // SAFETY: the caller has written them.
        unsafe { self.assume_init(n) };
        self.advance(n);
    }
}

// SAFETY: what remains of a cursor is valid for writes of its length.
#[cfg(feature = "hyper")]
unsafe impl Room for hyper::rt::ReadBufCursor<'_> {
    #[inline]
    fn size(&self) -> usize {
        self.remaining()
    }

    #[inline]
    fn start(&mut self) -> *mut u8 {
        // SAFETY: bytes are only ever written through the pointer, so that what is initialised
        // stays so.
        unsafe { self.as_mut() }.as_mut_ptr().cast()
    }

    #[inline]
    // SAFETY: the contract is the one of the trait.
    unsafe fn filled(&mut self, n: usize) {
        // SAFETY: the caller has written them.
        unsafe { self.advance(n) };
    }
}
