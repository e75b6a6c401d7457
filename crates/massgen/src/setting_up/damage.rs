//! Files of a user's own that are broken, so that no run begins, and how they are mended.

use massgen_config::Severity;

use crate::backends;
use crate::environment::Environment;
use crate::failure::Failure;

/// Problems of one file that are told.
const TOLD: usize = 3;

/// A file that keeps every run from beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Damaged {
    /// The file, as a person would type it.
    pub(crate) file: &'static str,
    /// What is wrong with it, the file named.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) mend: String,
}

/// The broken files of `environment`.
pub(crate) fn damaged(environment: &Environment) -> Vec<Damaged> {
    let env_files = environment.damage().iter().map(|damage| Damaged {
        file: damage.file,
        problem: damage.problem.replace('`', ""),
        mend: damage.mend.to_owned(),
    });
    env_files.chain(backends::found(environment).1.map(models)).collect()
}

/// The file of models.
fn models(failure: Failure) -> Damaged {
    let file = backends::USER_FILE;
    match failure {
        Failure::Plain { message, hint, .. } => {
            Damaged { file, problem: message.replace('`', ""), mend: hint.unwrap_or_default() }
        }
        Failure::Configuration(findings) => {
            let told = findings.of(Severity::Error).take(TOLD).map(|finding| {
                let line = finding.span().map(|span| format!("line {}: ", span.line)).unwrap_or_default();
                format!("{line}{}", finding.message)
            });
            let mut told: Vec<String> = told.collect();
            let more = findings.count(Severity::Error).saturating_sub(TOLD);
            if more > 0 {
                told.push(format!("{more} more"));
            }
            let mend = format!("mend it, or go on without it:\nmv {file} {file}.old");
            Damaged { file, problem: format!("{file} is wrong: {}", told.join("; ")), mend }
        }
    }
}
