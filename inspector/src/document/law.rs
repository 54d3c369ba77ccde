//! A conservation law and its two sides.

use netpoller_proto::v1;

#[derive(serde::Serialize)]
pub(super) struct Law<'a> {
    name: &'a str,
    statement: &'a str,
    lhs: i64,
    rhs: i64,
    delta: i64,
    violated: bool,
}

pub(super) fn law(law: &v1::Law) -> Law<'_> {
    Law {
        name: &law.name,
        statement: &law.statement,
        lhs: law.lhs,
        rhs: law.rhs,
        delta: law.lhs.saturating_sub(law.rhs),
        violated: law.violated,
    }
}

/// A row of `audit`: one law of one poller.
#[derive(serde::Serialize)]
pub(crate) struct Audited<'a> {
    poller: &'a str,
    law: &'a str,
    statement: &'a str,
    lhs: i64,
    rhs: i64,
    delta: i64,
    violated: bool,
}

pub(crate) fn audited<'a>(poller: &'a str, law: &'a v1::Law) -> Audited<'a> {
    Audited {
        poller,
        law: &law.name,
        statement: &law.statement,
        lhs: law.lhs,
        rhs: law.rhs,
        delta: law.lhs.saturating_sub(law.rhs),
        violated: law.violated,
    }
}
