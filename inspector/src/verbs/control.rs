//! Where verbs act that change the process which is looked at.

use std::path::PathBuf;

use clap::Args;

use crate::source::{Access, Target, TargetSpec};

/// Where to act.
#[derive(Debug, Clone, Args)]
pub(crate) struct ControlArgs {
    /// The control endpoint: unix:PATH, /path or http(s)://host:port.
    #[arg(long, env = "NETPOLLER_CONTROL", value_name = "TARGET", value_parser = control)]
    pub(crate) control: Target,
    /// File with the token that it asks for over TCP, which is never that of the inspection
    /// endpoint.
    #[arg(long, env = "NETPOLLER_CONTROL_TOKEN_FILE", value_name = "PATH")]
    pub(crate) control_token_file: Option<PathBuf>,
}

impl ControlArgs {
    /// The control endpoint, and what is shown to it: its own token, and the certificates that are
    /// shown everywhere.
    pub(crate) fn target(&self, access: &Access) -> Target {
        let access = Access {
            token_file: self.control_token_file.clone(),
            acts: true,
            ..access.clone()
        };
        self.control.clone().with_access(&access)
    }
}

fn control(text: &str) -> Result<Target, String> {
    match text.parse()? {
        TargetSpec::At(target) => Ok(target),
        TargetSpec::Pid(_) | TargetSpec::Name(_) => Err("a process shows at its usual place and acts nowhere unless told to; write the address of its control endpoint".into()),
    }
}
