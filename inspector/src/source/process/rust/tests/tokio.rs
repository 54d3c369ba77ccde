//! As much of tokio as there is to find.

pub mod runtime {
    pub mod task {
        pub mod raw {
            use std::future::Future;
            use std::pin::Pin;
            use std::task::{Context, Waker};

            /// # Safety
            ///
            /// There is a `T`, which nobody else uses and which stays where it is.
            // SAFETY: whoever calls it sees to that.
            #[inline(never)]
            pub unsafe fn poll<T: Future, S>(future: *mut u8) {
                // SAFETY: there is one that stays where it is, as the caller says.
                let future = unsafe { Pin::new_unchecked(&mut *future.cast::<T>()) };
                let mut context = Context::from_waker(Waker::noop());
                let is_ready = future.poll(&mut context).is_ready();
                println!("# {} {is_ready}", std::any::type_name::<(T, S)>());
            }
        }
    }
}

pub mod time {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    pub struct Sleep(pub u64);

    impl Future for Sleep {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }

    pub struct Timeout<F> {
        pub value: F,
        pub delay: Sleep,
    }

    impl<F: Future> Future for Timeout<F> {
        type Output = F::Output;

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
            // SAFETY: what is pinned does not move out of what holds it.
            let value = unsafe { self.map_unchecked_mut(|it| &mut it.value) };
            value.poll(context)
        }
    }
}
