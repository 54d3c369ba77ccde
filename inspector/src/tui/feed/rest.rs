//! What is asked for beside the table.

use std::convert::Infallible;

use tokio::sync::watch;

use super::super::known::{Travel, Wanted};
use super::asked::Asked;
use super::asks::{Detail, Sites, timeline};
use super::{doctor, events, travel};

/// Asks for what belongs to the table while that is `wanted`, and goes where somebody travels from
/// there on.
pub(super) async fn rest(
    asked: &Asked<'_>,
    sites: &mut Sites,
    wanted: &watch::Receiver<Wanted>,
    from: Travel,
) -> Infallible {
    let mut detail = Detail(wanted.clone());
    let mut looks = wanted.clone();
    tokio::select! {
        never = sites.ask(asked, wanted.clone()) => match never {},
        never = timeline(asked, wanted.clone()) => match never {},
        never = detail.ask(asked) => match never {},
        never = events::follow(asked, &mut looks) => match never {},
        never = doctor::ask(asked) => match never {},
        never = travel::travel(asked, wanted.clone(), from) => match never {},
    }
}
