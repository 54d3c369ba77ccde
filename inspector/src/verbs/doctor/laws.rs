//! The conservation laws, as findings.

use netpoller::view::lints::Lint;
use netpoller_proto::v1::{AuditResponse, Evidence, Finding, Law, Severity};

use crate::text;
use crate::verbs::audit::cause;

/// The name of the finding, and for `--allow`.
pub(super) const NAME: &str = "broken-law";
pub(super) const HELP: &str = "A conservation law does not hold: what was counted on the way in is not what came out, plus what is inside.";
pub(super) const ADVICE: &str = "something was counted twice or not at all, unless it is the law `kernel`: this is a bug of netpoller, please report it; `netpoller audit` has all laws";

/// How many hold.
pub(super) fn held(answer: &AuditResponse) -> usize {
    let laws = answer.pollers.iter().flat_map(|poller| &poller.laws);
    laws.filter(|law| !law.violated).count()
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
        law.name == "kernel"
            && found
                .iter()
                .any(|it| causes.contains(&it.lint.as_str()) && it.poller == poller)
    };
    let laws = answer.pollers.iter().flat_map(|poller| {
        let broken = poller.laws.iter().filter(|law| law.violated);
        broken.map(|law| (poller.poller.as_str(), law))
    });
    laws.filter(|(poller, law)| !is_explained(poller, law))
        .map(|(poller, law)| finding(poller, law))
        .collect()
}

fn finding(poller: &str, law: &Law) -> Finding {
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
