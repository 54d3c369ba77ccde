//! The figures that are written down, and may not grow.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::servers::{Case, Server};

/// Where they are: by case, by server, in instructions.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/figures.json");

/// How much a figure may grow.
const GROWTH: f64 = 1.02;

type Figures = BTreeMap<String, BTreeMap<String, f64>>;

fn named(measured: &BTreeMap<(Case, Server), f64>) -> Figures {
    let mut figures = Figures::new();
    for ((case, server), figure) in measured {
        let of_case = figures.entry(case.to_string()).or_default();
        of_case.insert(server.to_string(), figure.round());
    }
    figures
}

pub(crate) fn json(measured: &BTreeMap<(Case, Server), f64>) -> String {
    serde_json::json!(named(measured)).to_string()
}

pub(crate) fn write(measured: &BTreeMap<(Case, Server), f64>) -> io::Result<()> {
    let text = serde_json::to_string_pretty(&named(measured))?;
    fs::write(FILE, text + "\n")
}

/// One line for each figure that has grown, or is not written down.
pub(crate) fn grown(measured: &BTreeMap<(Case, Server), f64>) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(FILE)?;
    let kept: Figures = serde_json::from_str(&text)?;
    Ok(compared(&named(measured), &kept))
}

fn compared(measured: &Figures, kept: &Figures) -> Vec<String> {
    let mut lines = Vec::new();
    for (case, servers) in measured {
        for (server, now) in servers {
            match kept.get(case).and_then(|servers| servers.get(server)) {
                None => lines.push(format!("{case} of {server} is not written down: use --update")),
                Some(before) if *now > before * GROWTH => lines.push(format!(
                    "{case} of {server} has grown from {before} to {now} instructions: find out why; \
                     if it has to be, use --update and say so in the commit"
                )),
                Some(_) => {}
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(figure: f64) -> Figures {
        let servers = BTreeMap::from([("netpoller-tokio".to_owned(), figure)]);
        BTreeMap::from([("request".to_owned(), servers)])
    }

    #[test]
    fn a_figure_that_has_grown_by_more_than_two_percent_is_told() {
        assert_eq!(compared(&figures(1020.0), &figures(1000.0)), [""; 0]);
        assert_eq!(compared(&figures(900.0), &figures(1000.0)), [""; 0]);
        let grown = compared(&figures(1021.0), &figures(1000.0));
        assert!(grown[0].contains("from 1000 to 1021"), "{grown:?}");
    }

    #[test]
    fn a_figure_that_is_not_written_down_is_told() {
        let grown = compared(&figures(1.0), &Figures::new());
        assert!(grown[0].contains("--update"), "{grown:?}");
    }
}
