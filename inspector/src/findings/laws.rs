//! The conservation laws, as findings.

use netpoller::view::lints::Lint;
use netpoller_proto::v1::{AuditResponse, Evidence, Finding, Law, Severity, Since};

use crate::text;

/// The name of the finding, and for `--allow`.
pub(crate) const NAME: &str = "broken-law";
pub(crate) const HELP: &str = "A conservation law does not hold: what was counted on the way in is not what came out, plus what is inside.";
pub(crate) const ADVICE: &str = "something was counted twice or not at all, unless it is the law `kernel`: this is a bug of netpoller, please report it; `netpoller audit` has all laws";

/// Why a law may be violated, and what to do about it.
pub(crate) fn cause(law: &Law) -> &'static str {
    match law.name.as_str() {
        "kernel" => {
            "descriptors were closed, replaced or duplicated behind the poller's back, or somebody \
             used epoll_ctl: `netpoller doctor --kernel` names them"
        }
        _ => {
            "something was counted twice or not at all: this is a bug of netpoller, please report it"
        }
    }
}

/// The law that compares with the kernel's list.
pub(super) const KERNEL: &str = "kernel";

/// Those of all pollers.
pub(super) fn all(answer: &AuditResponse) -> impl Iterator<Item = &Law> {
    answer.pollers.iter().flat_map(|poller| &poller.laws)
}

/// How many hold.
pub(super) fn held(answer: &AuditResponse) -> usize {
    all(answer).filter(|law| !law.violated).count()
}

/// Those that do not. One cause, one finding: a registration of which only the kernel knows is
/// found by a lint too, with its name.
pub(super) fn findings(answer: &AuditResponse, found: &[Finding]) -> Vec<Finding> {
    let is_explained = |poller: &str, law: &Law| {
        let causes = [
            Lint::GhostRegistration,
            Lint::StaleDescriptor,
            Lint::LostEdge,
        ];
        let causes = causes.map(Lint::name);
        law.name == KERNEL
            && found
                .iter()
                .any(|it| causes.contains(&it.lint.as_str()) && it.poller == poller)
    };
    let laws = answer.pollers.iter().flat_map(|poller| {
        let broken = poller.laws.iter().filter(|law| law.violated);
        broken.map(|law| (poller.poller.as_str(), law))
    });
    laws.filter(|(poller, law)| !is_explained(poller, law))
        .map(|(poller, law)| finding(poller, law, answer.captured_at_ns))
        .collect()
}

/// Whether a lint may explain it as soon as it is certain.
pub(super) fn may_be_explained(finding: &Finding) -> bool {
    let law = finding.evidence.first();
    law.is_some_and(|law| law.value == KERNEL)
}

fn finding(poller: &str, law: &Law, seen_ns: u64) -> Finding {
    let evidence = [
        ("law", law.name.clone()),
        ("left", text::signed(law.lhs)),
        ("right", text::signed(law.rhs)),
        ("difference", text::signed(law.lhs.saturating_sub(law.rhs))),
    ];
    Finding {
        lint: NAME.to_owned(),
        severity: Severity::Error.into(),
        poller: poller.to_owned(),
        since: Since::FirstSeen.into(),
        since_ns: seen_ns,
        summary: format!("the law `{}` is violated: {}", law.name, law.statement),
        evidence: evidence
            .into_iter()
            .map(|(name, value)| Evidence {
                name: name.to_owned(),
                value,
            })
            .collect(),
        advice: format!("{}; `netpoller audit` has all laws", cause(law)),
        ..Finding::default()
    }
}
