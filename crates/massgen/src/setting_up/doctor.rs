//! `massgen doctor`: what is on this machine, what would run, what is missing and the command that mends it.

mod facts;
mod report;

use super::tell;
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure, SUCCESS};

/// The form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For a person.
    Text,
    /// For a program.
    Json,
}

/// Looks around and tells. The exit code says whether a run of a model is possible.
pub(crate) fn perform(form: Form, environment: &Environment) -> Result<u8, Failure> {
    let report = report::Report::of(facts::Facts::gather(environment)?);
    match form {
        Form::Text => tell(&report.to_string())?,
        Form::Json => {
            let json = serde_json::to_string_pretty(&report).map_err(Failure::configuration)?;
            tell(&format!("{json}\n"))?;
        }
    }
    Ok(if report.possible { SUCCESS } else { CONFIGURATION })
}
