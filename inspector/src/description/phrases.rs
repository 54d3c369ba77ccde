//! Who waits, and how a wait went, in a few words each.

use netpoller_proto::v1::{Cause, Waiter, Wake};

use crate::table::Context;
use crate::text;

/// The last wake, share by share: together they are all of it.
pub(super) fn wake_lines(wake: &Wake, ago: &str) -> Vec<(&'static str, String)> {
    let up_to = match wake.before_poll_ns {
        Some(_) if !wake.before_poll_exact => "up to ",
        _ => "",
    };
    let in_all = match wake.total_ns() {
        None => "it has not run yet".to_owned(),
        Some(total) if wake.before_poll_idle => {
            // The bound says nothing: what the kernel tells is the least.
            let told = wake.before_poll_told_ns.unwrap_or(0);
            let after = total.saturating_sub(wake.before_poll_ns.unwrap_or(0));
            format!(
                "at least {} in all",
                text::duration(told.saturating_add(after))
            )
        }
        Some(total) => format!("{up_to}{} in all", text::duration(total)),
    };
    let mut lines = vec![(
        "last wake",
        format!("{ago} by {}: {in_all}", wake.cause().name()),
    )];
    if let Some(before) = wake.before_poll_ns {
        let mut said = format!("{up_to}{}", text::duration(before));
        said += match wake.cause() {
            Cause::Deadline => " late",
            _ if wake.before_poll_idle => ", or the runtime had nothing to do",
            _ if before > 0 => ", as nobody polled",
            _ => "",
        };
        match wake.before_poll_told_ns {
            None => {}
            Some(0) => said += "; the data were younger than a tick, says the kernel",
            Some(told) => {
                let told = text::duration(told);
                said += &format!("; the data were {told} old, says the kernel");
            }
        }
        if let Some(ran) = &wake.ran_instead {
            said += &format!("; meanwhile ran {}", person(ran));
        }
        lines.push(("before the poll", said));
    }
    let mut poller = text::duration(wake.poller_to_waker_ns);
    if wake.wakers_ns > 0 {
        poller += &format!(
            ", of which {} in other wakers",
            text::duration(wake.wakers_ns)
        );
    }
    lines.push(("poller", poller));
    let scheduler = match wake.pending {
        true => "not run yet".to_owned(),
        false => text::duration(wake.waker_to_run_ns),
    };
    lines.push(("scheduler", scheduler));
    lines
}

/// A waiter in a few words.
pub(super) fn person(waiter: &Waiter) -> String {
    let mut said = match waiter.task.as_str() {
        "" => String::new(),
        task => format!("task {task} "),
    };
    said += &format!("on thread {}", waiter.thread);
    if !waiter.location.is_empty() {
        said += &format!(", which waits at {}", waiter.line());
    }
    said
}

/// Somebody who waits beside another one, in a few words.
pub(super) fn beside(waiter: &Waiter) -> String {
    let known = [&waiter.future, &waiter.task_state, &waiter.reason];
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    let known: Vec<&str> = known.into_iter().filter(|it| !it.is_empty()).collect();
    let mut said = waiter.task.clone();
    if !known.is_empty() {
        said += &format!(" ({})", known.join(", "));
    }
    let line = waiter.line();
    if !line.is_empty() {
        said += &format!(" at {}", text::tail_of_path(&line));
    }
    said
}

/// How long ago it was; nothing for what never was.
pub(super) fn ago(moment_ns: u64, context: &Context) -> String {
    match moment_ns {
        0 => String::new(),
        _ => format!(
            "{} ago",
            text::duration(context.now_ns.saturating_sub(moment_ns))
        ),
    }
}
