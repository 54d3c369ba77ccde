//! One look after another.

use netpoller_proto::v1::{AuditResponse, DiagnoseRequest, DiagnoseResponse, Since};

use std::time::Duration;

use super::case::Case;
use super::catalogue::Catalogue;
use super::laws;
use super::not_run::{Look, NotRun};
use super::terms::{Terms, WINDOW};
use crate::failure::Failure;
use crate::source::Connection;

/// Asks a process what is wrong with it, on the same terms each time: what one look has seen the
/// next one knows.
#[derive(Debug)]
pub(crate) struct Doctor {
    terms: Terms,
    catalogue: Catalogue,
    has_looked_again: bool,
    /// What the process said last.
    pub(crate) answered: Option<DiagnoseResponse>,
}

/// What a look has found.
#[derive(Debug)]
pub(crate) struct Looked {
    /// Broken laws first, then as the process lists them.
    pub(crate) cases: Vec<Case>,
    /// Findings beyond those that the process lists.
    pub(crate) more: u64,
    /// The lints that were run.
    pub(crate) lints: Vec<String>,
    /// The laws that hold; `None` if they were not checked.
    pub(crate) laws: Option<usize>,
    pub(crate) not_run: Vec<NotRun>,
    pub(crate) captured_at_ns: u64,
}

impl Looked {
    /// What was run, in a few words.
    pub(crate) fn ran(&self) -> String {
        let laws = self.laws;
        let laws = laws.map_or(String::new(), |laws| format!(", and {laws} laws hold"));
        format!("{} lints were run{laws}", self.lints.len())
    }
}

impl Doctor {
    /// Refuses terms that name a lint that nobody knows.
    pub(crate) async fn new(connection: &Connection, terms: Terms) -> Result<Self, Failure> {
        let catalogue = known(connection, &terms).await?;
        terms.check(&catalogue)?;
        Ok(Self {
            terms,
            catalogue,
            has_looked_again: false,
            answered: None,
        })
    }

    /// Looks at a process of so many descriptors.
    pub(crate) async fn look(
        &mut self,
        connection: &Connection,
        descriptors: u64,
    ) -> Result<Looked, Failure> {
        let kernel = self.terms.asks_kernel(descriptors);
        let request = self.request(kernel);
        loop {
            let mut answer = connection.diagnose(request.clone()).await?;
            self.answered = Some(answer.clone());
            // Afterwards: both read the kernel's list, and neither is to keep the other from it.
            let (audit, without_kernel) = self.audit(connection, kernel).await;
            date(&mut answer, &self.catalogue);
            let broken: Vec<_> = audit
                .iter()
                .flat_map(|audit| laws::findings(audit, &answer.findings))
                .collect();
            // The lint that explains it may need another look to be certain.
            if !self.has_looked_again && broken.iter().any(laws::may_be_explained) {
                self.has_looked_again = true;
                continue;
            }
            let not_run = Look {
                terms: &self.terms,
                catalogue: &self.catalogue,
                descriptors,
                answer: &answer,
                audit: &audit,
                without_kernel: without_kernel.as_deref(),
            }
            .not_run();
            let found = broken.into_iter().chain(answer.findings);
            return Ok(Looked {
                cases: found.map(Case::new).collect(),
                more: answer.more,
                lints: answer.lints,
                laws: audit.as_ref().ok().map(laws::held),
                not_run,
                captured_at_ns: answer.captured_at_ns,
            });
        }
    }

    /// The laws, or why nobody knows, and why they were read without the kernel's list if they had
    /// to be. A process that is too old, or busy, is still worth being looked at.
    async fn audit(
        &self,
        connection: &Connection,
        kernel: bool,
    ) -> (Result<AuditResponse, String>, Option<String>) {
        if self.terms.allows(laws::NAME) {
            return (Err(String::new()), None);
        }
        let ask = async |kernel| {
            let answer = connection.audit(kernel).await;
            answer.map_err(|failure| failure.to_string())
        };
        match ask(kernel).await {
            Err(why) if kernel => (ask(false).await, Some(why)),
            answer => (answer, None),
        }
    }

    /// What to ask. Of what the process does not know there is nothing to leave out, or to wait
    /// for.
    fn request(&self, kernel: bool) -> DiagnoseRequest {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let known = |name: &&String| self.catalogue.find(name).is_some();
        let holds = self.terms.hold.iter().filter(|hold| known(&&hold.lint));
        DiagnoseRequest {
            poller: String::new(),
            kernel,
            window_ns: nanos(WINDOW),
            allow: self.terms.allow.iter().filter(known).cloned().collect(),
            hold_ns: holds
                .map(|hold| (hold.lint.clone(), nanos(hold.time)))
                .collect(),
        }
    }
}

/// What the process can look for. One that is too old to say is asked what it runs.
async fn known(connection: &Connection, terms: &Terms) -> Result<Catalogue, Failure> {
    let mut catalogue = Catalogue::of(&connection.server);
    let is_told_of_lints = !terms.allow.is_empty() || !terms.hold.is_empty();
    if !catalogue.told && is_told_of_lints {
        let briefly = DiagnoseRequest {
            window_ns: 1,
            ..DiagnoseRequest::default()
        };
        catalogue.keep(&connection.diagnose(briefly).await?.lints);
    }
    Ok(catalogue)
}

/// A library that is older than this command does not say of what it tells no more than when it
/// first saw it. That was in this look.
fn date(answer: &mut DiagnoseResponse, catalogue: &Catalogue) {
    let began_ns = answer.captured_at_ns.saturating_sub(answer.window_ns);
    for finding in &mut answer.findings {
        let lint = catalogue.find(&finding.lint);
        let undated = lint.is_some_and(super::catalogue::begins_with_the_look);
        // The first look is taken a moment before the window begins.
        let by_this_look = finding.since_ns.saturating_add(500_000_000) >= began_ns;
        if finding.since() == Since::Unspecified && undated && by_this_look {
            finding.set_since(Since::FirstSeen);
        }
    }
}
