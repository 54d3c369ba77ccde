//! Where a socket is that waiters use: several at once by reference, or one alone.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// The place of one.
pub struct Home<T>(Arc<Mutex<Option<Arc<T>>>>);

impl<T> Home<T> {
    pub fn new(of: T) -> Self {
        Self(Arc::new(Mutex::new(Some(Arc::new(of)))))
    }

    /// For whoever does not need it alone.
    pub fn share(&self) -> Result<Arc<T>, String> {
        let here = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        here.clone()
            .ok_or_else(|| "somebody has it alone".to_owned())
    }

    /// For one that needs it alone, until that is dropped.
    pub fn lend(&self) -> Result<Lent<T>, String> {
        let mut here = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = here.take().ok_or("somebody has it alone")?;
        match Arc::try_unwrap(taken) {
            Ok(own) => Ok(Lent {
                own: Some(own),
                home: Self(Arc::clone(&self.0)),
            }),
            Err(shared) => {
                *here = Some(shared);
                Err("others have it".to_owned())
            }
        }
    }
}

/// What is lent, and goes home in the end.
pub struct Lent<T> {
    own: Option<T>,
    home: Home<T>,
}

impl<T> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.own.as_ref().expect("it is gone when this is")
    }
}

impl<T> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.own.as_mut().expect("it is gone when this is")
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        let mut here = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        *here = self.own.take().map(Arc::new);
    }
}
