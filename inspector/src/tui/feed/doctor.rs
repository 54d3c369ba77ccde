//! Asks from time to time what is wrong with the process.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::super::known::Checkup;
use super::asked::Asked;
use super::cause::cause;
use crate::failure::Failure;
use crate::findings::{Doctor, Looked, Terms, When};

/// Between two looks, each of which takes a second. A process forgets after ten what it has seen.
const REST: Duration = Duration::from_secs(4);
/// After a look that failed, and twice as long after each further one.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Descriptors of a process whose kernel's list is read: nobody has asked for this look, so events
/// may wait for half a millisecond at most.
const FEW: u64 = 1024;

/// Looks again and again.
pub(super) async fn ask(asked: &Asked<'_>) -> Infallible {
    let feed = asked.feed;
    let mut rest = REST;
    let mut doctor = None;
    let mut moves = asked.moves();
    loop {
        moves.see();
        match look(&mut doctor, asked).await {
            Ok(looked) => {
                rest = REST;
                let checkup = Arc::new(Checkup::of(looked));
                feed.send_modify(|feed| {
                    if !asked.connection.is_recording() {
                        let is_new = checkup.has_more_than(&feed.checkup);
                        let (at_ns, count) = (checkup.captured_at_ns, checkup.count());
                        Arc::make_mut(&mut feed.timeline).look(at_ns, count, is_new);
                    }
                    feed.checkup = checkup;
                });
            }
            Err(failure) => {
                rest = (rest * 2).min(LONGEST_REST);
                let trouble = cause(failure, Some("the findings did not come in time"));
                feed.send_modify(|feed| {
                    let checkup = Arc::make_mut(&mut feed.checkup);
                    if asked.connection.is_recording() {
                        // What was found at another moment is not what is found at this one.
                        *checkup = Checkup::default();
                    }
                    checkup.trouble = trouble;
                });
            }
        }
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = moves.moved() => {}
        }
    }
}

async fn look(doctor: &mut Option<Doctor>, asked: &Asked<'_>) -> Result<Looked, Failure> {
    let (connection, feed) = (asked.connection, asked.feed);
    let doctor = match doctor {
        Some(doctor) => doctor,
        None => {
            let terms = Terms {
                kernel: When::Auto,
                few: FEW,
                allow: Vec::new(),
                hold: Vec::new(),
            };
            doctor.insert(Doctor::new(connection, terms).await?)
        }
    };
    let descriptors = feed.borrow().model.rows.len() as u64;
    let looked = doctor.look(connection, descriptors).await;
    if let Some(answered) = doctor.answered.take() {
        asked.kept.keep(|memory| memory.diagnosis(answered));
    }
    looked
}
