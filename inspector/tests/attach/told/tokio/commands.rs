//! Commands, by chance.

use serde_json::Value;

use crate::told::Dice;
use crate::truth::Service;

/// Kinds of descriptors, and how many of each there are.
const KINDS: [(&str, usize); 6] = [
    ("tcp", 6),
    ("split", 4),
    ("unix", 4),
    ("udp", 4),
    ("listener", 4),
    ("pipe", 4),
];

/// What was opened at once: one descriptor, or both ends of something.
pub(super) struct Opened {
    kind: &'static str,
    ids: Vec<u64>,
}

fn open(service: &mut Service, kind: &'static str) -> Opened {
    let opened = service.obey(&format!("open {kind}"));
    let ids = opened["opened"].as_array().expect("numbers").iter();
    let ids = ids.map(|it| it.as_u64().expect("a number")).collect();
    Opened { kind, ids }
}

pub(super) fn prepare(service: &mut Service) -> Vec<Opened> {
    let mut all = Vec::new();
    for (kind, count) in KINDS {
        all.extend((0..count).map(|_| open(service, kind)));
    }
    service.obey("churn 2");
    all
}

/// A command, by chance.
fn command(dice: &mut Dice, of: &Opened, places: &Value) -> Option<String> {
    let id = dice.one(&of.ids);
    let side = *dice.one(&["read", "read", "write"]);
    let command = match dice.below(10) {
        0..=5 => {
            let places = places[format!("{}_{side}", of.kind)].as_array()?;
            let place = dice.one(places).as_str()?;
            let by = *dice.one(&["", "", "", "", "", "", "", " thread"]);
            format!("park {id} {side} {place}{by}")
        }
        6 => format!("wake {id} {side}"),
        7 => format!("again {id} read serve"),
        _ => format!("serve {id} {side}"),
    };
    Some(command)
}

/// Does something, or is refused: the answer is why.
pub(super) fn change(
    service: &mut Service,
    dice: &mut Dice,
    all: &mut [Opened],
    places: &Value,
) -> Result<(), String> {
    let at = dice.below(all.len());
    let opened = &mut all[at];
    if dice.below(30) > 0 {
        let command = command(dice, opened, places);
        return command.map_or(Ok(()), |command| service.ask(&command).map(drop));
    }
    // Where a thread waits, that is refused.
    let mut refused = None;
    opened.ids.retain(|id| {
        let closed = service.ask(&format!("close {id}"));
        let stays = closed.is_err();
        refused = closed.err().or(refused.take());
        stays
    });
    if opened.ids.is_empty() {
        *opened = open(service, opened.kind);
    }
    refused.map_or(Ok(()), Err)
}
