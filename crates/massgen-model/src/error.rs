//! What can go wrong before the first request.

use std::fmt::Write as _;

use massgen_protocol::message::FailureKind;

/// Where the binary looks for keys, in order.
const KEY_PLACES: &str = "the environment, ./.env, ~/.config/massgen/.env, ~/.massgen/.env";

/// Why a model cannot be connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// No variable that may hold the key is set.
    #[error("no key for `{host}`: {} not set in {KEY_PLACES}", list(variables))]
    MissingKey {
        /// The host that wants the key.
        host: String,
        /// The variables that may hold it, in order.
        variables: Vec<String>,
    },
    /// The key has characters that a header cannot carry.
    #[error("the key in `{variable}` holds a line break or another character that cannot be sent")]
    UnusableKey {
        /// The variable that holds it.
        variable: String,
    },
    /// The base URL cannot be used.
    #[error("the base URL `{url}` cannot be used: {problem}")]
    BadBaseUrl {
        /// The URL without user, password and query.
        url: String,
        /// Why not.
        problem: String,
    },
    /// A further header cannot be sent.
    #[error("the header `{name}` cannot be sent: {problem}")]
    BadHeader {
        /// Its name as written.
        name: String,
        /// Why not.
        problem: String,
    },
    /// A further header names a variable that is not set.
    #[error("the header `{header}` needs the variable `{variable}`, which is not set")]
    MissingVariable {
        /// The header.
        header: String,
        /// The variable.
        variable: String,
    },
    /// No client for encrypted connections can be made.
    #[error("no trusted connection can be made: {problem}")]
    NoTrust {
        /// Why not.
        problem: String,
    },
    /// There is no service behind the agent's backend.
    #[error("the backend `{kind}` is not a service")]
    NoService {
        /// The backend's type as written.
        kind: String,
    },
    /// The service did not tell which models it has.
    #[error("{message}")]
    NoListing {
        /// The class of what went wrong.
        kind: FailureKind,
        /// What the service or the network said, one line, without secrets.
        message: String,
    },
}

impl ModelError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::MissingKey { variables, .. } => variables.first().map(|variable| {
                format!("write `{variable}=…` into ./.env or ~/.massgen/.env, or export it in your shell")
            }),
            Self::UnusableKey { variable } => {
                Some(format!("copy the key into `{variable}` again, on one line"))
            }
            Self::BadBaseUrl { .. } => {
                Some("give the address up to `/v1`, for example `http://localhost:8000/v1`".to_owned())
            }
            Self::BadHeader { .. } => Some("mend it under `extra_headers`, or remove it".to_owned()),
            Self::MissingVariable { variable, .. } => Some(format!(
                "write `{variable}=…` into ./.env or ~/.massgen/.env, or export it in your shell"
            )),
            Self::NoTrust { .. } => Some(
                "name files in PEM form in `SSL_CERT_FILE` (instead of the system's authorities) or \
                 `MASSGEN_CA_BUNDLE` (beside them)"
                    .to_owned(),
            ),
            Self::NoListing { kind: FailureKind::Unauthorized, .. } => {
                Some("check the key, and that the account may use the service".to_owned())
            }
            Self::NoService { .. } | Self::NoListing { .. } => None,
        }
    }
}

fn list(variables: &[String]) -> String {
    let mut text = String::new();
    for (at, variable) in variables.iter().enumerate() {
        let separator = if at == 0 { "" } else { " and " };
        let _ = write!(text, "{separator}`{variable}`");
    }
    let verb = if variables.len() > 1 { "are" } else { "is" };
    format!("{text} {verb}")
}
