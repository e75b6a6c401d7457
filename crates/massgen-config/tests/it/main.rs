//! Loads configurations as the binary does and looks at what would run.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod effects;
#[cfg(test)]
mod equipment;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod judging;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod models_file;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod services;
#[cfg(test)]
mod teams;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod uploads;

use std::path::Path;

use massgen_config::{Findings, LoadRequest, Loaded, Settings, Source, Validation, load};

/// Loads `text` as `config.yaml` with flags and an environment of pairs.
fn load_with(text: &str, settings: &Settings, environment: &[(&str, &str)]) -> Result<Loaded, Findings> {
    let lookup =
        |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    load(LoadRequest {
        source: Some(&Source::new("config.yaml", text)),
        settings,
        lookup: &lookup,
        working_directory: Path::new("/project"),
        instance: Some("0a1b2c3d"),
        validation: Validation::Normal,
        backends: massgen_config::backends::Backends::built_in(),
    })
}

/// Loads `text` without flags and with an empty environment.
fn load_text(text: &str) -> Result<Loaded, Findings> {
    load_with(text, &Settings::default(), &[])
}

/// Loads flags alone.
fn load_flags(settings: &Settings) -> Result<Loaded, Findings> {
    load(LoadRequest {
        source: None,
        settings,
        lookup: &|_| None,
        working_directory: Path::new("/project"),
        instance: Some("0a1b2c3d"),
        validation: Validation::Normal,
        backends: massgen_config::backends::Backends::built_in(),
    })
}

/// The messages of all findings, each with its severity and line.
fn told(findings: &Findings) -> Vec<String> {
    let line = |finding: &massgen_config::Finding| finding.span().map_or(0, |span| span.line);
    findings
        .items()
        .iter()
        .map(|finding| format!("{} {}: {}", line(finding), finding.severity, finding.message))
        .collect()
}
