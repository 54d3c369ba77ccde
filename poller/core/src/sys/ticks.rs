//! The processor's own counter of time: read in a few nanoseconds, but of a rate that has to be
//! found out.

/// Two readings this far apart, with a reading of the kernel's clock between them, were made in one
/// go: more than that takes only a thread that was interrupted. Some hundred nanoseconds to some
/// microseconds, at the rates that processors have.
pub(crate) const ADJACENT: u64 = if cfg!(target_arch = "x86_64") {
    1024
} else {
    64
};

/// The counter now; 0 where there is none that can be used.
#[inline]
pub(crate) fn ticks() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(any(miri, shuttle))))]
    // SAFETY: every x86-64 processor has RDTSC. A process that has forbidden it to itself
    // (PR_SET_TSC) could not read the kernel's clock either, which does the same in the vDSO.
    let ticks = unsafe { core::arch::x86_64::_rdtsc() };

    #[cfg(all(target_arch = "aarch64", not(any(miri, shuttle))))]
    let ticks = {
        let ticks: u64;
        // SAFETY: reads a register that Linux leaves readable, and touches nothing else.
        unsafe {
            core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags));
        }
        ticks
    };

    #[cfg(any(
        miri,
        shuttle,
        not(any(target_arch = "x86_64", target_arch = "aarch64"))
    ))]
    let ticks = 0;

    ticks
}

/// Whether the counter runs at one rate, whatever the processor does to its own.
pub(crate) fn ticks_are_steady() -> bool {
    #[cfg(all(target_arch = "x86_64", not(any(miri, shuttle))))]
    {
        use core::arch::x86_64::__cpuid;

        /// "Advanced power management information"; its bit 8 says that the counter is invariant.
        const POWER: u32 = 0x8000_0007;

        // In later versions of Rust a safe function.
        #[allow(unused_unsafe)]
        // SAFETY: every x86-64 processor has CPUID.
        let (most, power) = unsafe { (__cpuid(0x8000_0000).eax, __cpuid(POWER)) };
        most >= POWER && power.edx & 1 << 8 != 0
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(miri, shuttle)))))]
    {
        // By its architecture.
        cfg!(all(target_arch = "aarch64", not(any(miri, shuttle))))
    }
}
