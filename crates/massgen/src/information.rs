//! What the program tells without a run: whether a configuration is right, what may stand in one, what is in force, and
//! which backends there are.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{stderr, stdout};
use std::path::Path;

use massgen_config::backends::BackendType;
use massgen_config::docs::{Examples, SchemaView, json_schema, schema_text};
use massgen_config::{
    Defaults, EffectiveRequest, Here, Settings, Source, Validation, effective, render, validate_here,
};

use crate::arguments::commands::{Config, ShowConfig};
use crate::arguments::groups::Information;
use crate::backends;
use crate::environment::{Environment, there};
use crate::failure::{CONFIGURATION, Failure, SUCCESS};
use crate::print;
use crate::remarks::Remarks;
use crate::setup::find_source;
use crate::terminal::{columns, findings_style};

/// `massgen --validate FILE`.
pub(crate) fn validate(
    file: &Path,
    information: &Information,
    environment: &Environment,
) -> Result<u8, Failure> {
    let source = match find_source(Some(file), environment).and_then(needed) {
        Ok(source) => source,
        Err(Failure::Plain { message, hint, code }) if information.json => {
            print(format!("{:#}\n", unreadable(&message, hint.as_deref())).as_bytes())?;
            return Ok(code);
        }
        Err(failure) => return Err(failure),
    };
    let known = backends::for_telling(environment);
    let here = Here {
        environment: &|name| environment.get(name),
        working_directory: &environment.working_directory,
        there: &there,
    };
    let findings = validate_here(&source, &known, &here);
    let strictness = if information.strict || information.strict_validation {
        Validation::Strict
    } else {
        Validation::Normal
    };
    let code = if findings.refuses(strictness) { CONFIGURATION } else { SUCCESS };
    if information.json {
        print(format!("{:#}\n", findings.to_json()).as_bytes())?;
    } else {
        let mut text = render(&findings, findings_style(&stdout()));
        if code == SUCCESS {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "✓ {} is valid", source.name());
        }
        print(text.as_bytes())?;
    }
    Ok(code)
}

/// The verdict on a file that cannot be read, in the shape of [`massgen_config::Findings::to_json`].
fn unreadable(message: &str, hint: Option<&str>) -> serde_json::Value {
    let error = serde_json::json!({
        "message": message, "location": "file", "suggestion": hint, "file": null, "line": null, "column": null,
    });
    serde_json::json!({
        "valid": false, "error_count": 1, "warning_count": 0, "errors": [error], "warnings": [], "notices": [],
    })
}

/// `massgen --list-backends`.
pub(crate) fn list_backends(information: &Information, environment: &Environment) -> Result<u8, Failure> {
    let known = backends::for_telling(environment);
    if !information.json {
        return print(massgen_config::backends::table(&known, columns(&stdout())).as_bytes());
    }
    let facts = |backend: &BackendType, model: &str| {
        let base_url = backend.base_url.as_deref().unwrap_or_default();
        backends::facts(&known, &backend.name, model, base_url)
    };
    print(format!("{:#}\n", massgen_config::backends::json(&known, &facts)).as_bytes())
}

/// `massgen --show-schema`: text for people, with `--json` the JSON Schema for editors.
pub(crate) fn show_schema(information: &Information, environment: &Environment) -> Result<u8, Failure> {
    if information.json {
        return print(format!("{:#}\n", json_schema()).as_bytes());
    }
    let known = backends::for_telling(environment);
    let kind = match &information.schema_backend {
        None => None,
        Some(name) => Some(known.get(name).ok_or_else(|| {
            Failure::usage(format!("there is no backend type `{}`", name.escape_debug()))
                .hint("`massgen --list-backends` lists them")
        })?),
    };
    let examples = if information.with_examples { Examples::Shown } else { Examples::Hidden };
    let view = SchemaView { kind: kind.map(|kind| kind.name.as_str()), examples, width: columns(&stdout()) };
    print(schema_text(view).as_bytes())
}

/// `massgen config …`.
pub(crate) fn config(command: &Config, environment: &Environment) -> Result<u8, Failure> {
    match command {
        Config::Show(options) => show(options, environment),
        Config::Path { config } => {
            let source = needed(find_source(config.as_deref(), environment)?)?;
            let name = source.name();
            let path = match config.as_deref().and_then(Path::to_str) {
                Some(given) if given.starts_with('@') => Cow::Borrowed(name),
                Some(_) | None => environment.absolute(name.as_ref()).display().to_string().into(),
            };
            print(format!("{path}\n").as_bytes())
        }
    }
}

fn show(options: &ShowConfig, environment: &Environment) -> Result<u8, Failure> {
    let source = find_source(options.config.as_deref(), environment)?;
    let known = backends::for_telling(environment);
    let lookup = |name: &str| environment.get(name);
    let effective = effective(EffectiveRequest {
        source: source.as_ref(),
        settings: &Settings::default(),
        lookup: &lookup,
        working_directory: &environment.working_directory,
        backends: &known,
        defaults: if options.all { Defaults::Shown } else { Defaults::Hidden },
    });
    if options.json {
        print(format!("{:#}\n", effective.to_json()).as_bytes())?;
    } else {
        print(effective.table(columns(&stdout())).as_bytes())?;
        let findings = render(&effective.findings, findings_style(&stderr()));
        if !findings.is_empty() {
            Remarks::direct().tell(findings.trim_end());
        }
    }
    Ok(if effective.findings.has_errors() { CONFIGURATION } else { SUCCESS })
}

fn needed(source: Option<Source>) -> Result<Source, Failure> {
    source.ok_or_else(|| {
        Failure::configuration("nothing is configured")
            .hint("write ./.massgen/config.yaml, for example with `massgen --quickstart`")
    })
}
