//! Assertions about errors.

use std::fmt::Debug;
use std::io;

use netpoller::Error;

/// The deadline error, which is a timeout to those who know std's kinds alone.
#[track_caller]
pub fn assert_timeout<T: Debug>(result: io::Result<T>) {
    let error = result.expect_err("the deadline has expired");
    assert_eq!(Error::of(&error), Some(Error::DeadlineExceeded), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

/// The error of a descriptor that was closed by the program itself, which is no timeout.
#[track_caller]
pub fn assert_closed<T: Debug>(result: io::Result<T>) {
    let error = result.expect_err("the descriptor is closed");
    assert_eq!(Error::of(&error), Some(Error::Closed), "{error}");
    assert_ne!(error.kind(), io::ErrorKind::TimedOut);
}

/// The kernel's error number in `error`, or in what it wraps.
pub fn errno(error: &io::Error) -> Option<i32> {
    error.raw_os_error().or_else(|| {
        let mut source = error.get_ref()?.source();
        while let Some(error) = source {
            if let Some(error) = error.downcast_ref::<io::Error>()
                && let Some(number) = error.raw_os_error()
            {
                return Some(number);
            }
            source = error.source();
        }
        None
    })
}

/// The kernel's error `number`.
#[track_caller]
pub fn assert_errno<T: Debug>(result: io::Result<T>, number: i32) {
    let error = result.expect_err("the kernel refuses");
    assert_eq!(errno(&error), Some(number), "{error}");
}
