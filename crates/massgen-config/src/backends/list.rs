//! The list of backend types: two tables for people, and JSON for programs.

use std::fmt::Write;

use massgen_protocol::{ModelFacts, Price, Usd};
use serde_json::{Map, Value, json};
use textwrap::core::display_width;

use super::{BackendType, Backends, Capability, FileAccess, Support};

/// Narrowest list, in columns. A narrower terminal breaks the lines itself.
const NARROWEST: usize = 80;

/// Widest list, in columns. Longer lines are hard to follow.
const WIDEST: usize = 140;

/// Columns from which the capabilities have a column of their own; below, a line of their own.
const WIDE: usize = 104;

/// Models of one type that the list shows.
const MODELS: usize = 8;

/// A space at which no line is broken.
const UNBROKEN: char = '\u{a0}';

/// Columns between two columns.
const GAP: usize = 2;

/// Columns: type (a mark included), provider, default model, and auth, which takes the longest name of a variable.
const KIND: usize = 16;
const PROVIDER: usize = 13;
const MODEL: usize = 24;
const AUTH: usize = 21;

/// What stands in the place of a default model where there is none, as in the Python program.
const NO_DEFAULT: &str = "custom";

/// Both tables, and what to do with them, for a terminal of `width` columns.
pub fn table(backends: &Backends, width: usize) -> String {
    let width = width.clamp(NARROWEST, WIDEST);
    let mut out = String::new();
    heading(&mut out, "Backend types", width);
    row(&mut out, ["Backend Type", "Provider", "Default Model", "Auth", "Key Capabilities"], width);
    for backend in backends.types() {
        let mark = if backend.support.runs() { "" } else { "*" };
        let kind = format!("{}{mark}", backend.name);
        let model = backend.default_model.as_deref().unwrap_or(NO_DEFAULT);
        let cells = [&kind, &backend.provider, model, &backend.auth(), &key_capabilities(backend)];
        row(&mut out, cells, width);
    }
    out.push('\n');
    if backends.types().iter().any(|backend| !backend.support.runs()) {
        out.push_str("*       does not run in this version; see the end\n");
    }
    let _ = writeln!(out, "{NO_DEFAULT}  has no default: name the model with --model or `model:`");
    out.push('\n');
    heading(&mut out, "Models per backend", width);
    for backend in backends.types().iter().filter(|backend| !backend.models.is_empty()) {
        let first = format!("{:1$}", backend.name, KIND + GAP);
        wrapped(&mut out, &models(backend), &first, &" ".repeat(KIND + GAP), width);
    }
    out.push('\n');
    let text = "These are well-known ones. Any name that the service knows may be used, also with the types that have \
                no line here.";
    wrapped(&mut out, text, "", "", width);
    out.push('\n');
    heading(&mut out, "How to use them", width);
    hints(&mut out, backends, width);
    out
}

fn heading(out: &mut String, title: &str, width: usize) {
    let _ = writeln!(out, "{title}\n{}", "-".repeat(width));
}

/// The capabilities that help to choose, in short: one word each.
fn key_capabilities(backend: &BackendType) -> String {
    let can = |what: Capability, word: &'static str| backend.capabilities.contains(&what).then_some(word);
    let files = match backend.files {
        FileAccess::None => None,
        FileAccess::Native => Some("fs-native"),
        FileAccess::Mcp => Some("fs-mcp"),
    };
    let words = [
        can(Capability::WebSearch, "web"),
        can(Capability::CodeExecution, "code"),
        files,
        can(Capability::Mcp, "mcp"),
        can(Capability::Reasoning, "reasoning"),
        can(Capability::ImageGeneration, "img-gen"),
        can(Capability::ImageUnderstanding, "vision"),
    ];
    let words: Vec<_> = words.into_iter().flatten().collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

/// Names of models; the count behind them is not broken.
fn models(backend: &BackendType) -> String {
    let names: Vec<_> = backend.models.iter().take(MODELS).map(|model| model.name.as_str()).collect();
    let more = backend.models.len().saturating_sub(MODELS);
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} (+{more}{UNBROKEN}more)") }
}

fn hints(out: &mut String, backends: &Backends, width: usize) {
    let names = |wanted: &dyn Fn(&Support) -> bool| {
        let names = backends.types().iter().filter(|backend| wanted(&backend.support));
        names.map(|backend| backend.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    out.push_str(
        "one agent    massgen --backend openai --model gpt-5.4 \"your question\"\n\
         in a file    backend: {type: openai, model: gpt-5.4}\n\
         no key       massgen --backend simulated \"your question\"\n\
         more models  write them into ~/.config/massgen/models.yaml, with their prices\n\
         all fields   massgen --list-backends --json\n\n\
         Run in this version:\n",
    );
    wrapped(out, &names(&Support::runs), "  ", "  ", width);
    let mut protocols: Vec<&str> = Vec::new();
    for backend in backends.types() {
        if let Support::NotYet { speaks } = &backend.support
            && !protocols.contains(&speaks.as_str())
        {
            protocols.push(speaks);
        }
    }
    if !protocols.is_empty() {
        out.push_str("Not in this version yet, because of what they speak:\n");
    }
    for protocol in protocols {
        let speaks = |support: &Support| matches!(support, Support::NotYet { speaks } if speaks == protocol);
        wrapped(out, &format!("{protocol}: {}", names(&speaks)), "  ", "    ", width);
    }
    let never = names(&|support| *support == Support::Never);
    if !never.is_empty() {
        out.push_str("Names without a program behind them, in the Python program too:\n");
        wrapped(out, &never, "  ", "  ", width);
    }
}

/// One row: type, provider, default model, auth, capabilities. What does not fit into its column goes on in the next
/// line of the column. In a narrow list the capabilities stand below provider and model.
fn row(out: &mut String, [kind, provider, model, auth, capabilities]: [&str; 5], width: usize) {
    let between = side_by_side(&[(folded(provider, PROVIDER), PROVIDER), (folded(model, MODEL), MODEL)]);
    let left = PROVIDER + GAP + MODEL;
    let lines = if width >= WIDE {
        let taken = KIND + GAP + left + GAP + AUTH + GAP;
        side_by_side(&[
            (folded(kind, KIND), KIND),
            (between, left),
            (folded(auth, AUTH), AUTH),
            (folded(capabilities, width.saturating_sub(taken)), 0),
        ])
    } else {
        let between = between.into_iter().chain(folded(capabilities, left)).collect();
        side_by_side(&[(folded(kind, KIND), KIND), (between, left), (folded(auth, AUTH), 0)])
    };
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
}

/// Columns of lines, each with its width, beside each other.
fn side_by_side(columns: &[(Vec<String>, usize)]) -> Vec<String> {
    let height = columns.iter().map(|(lines, _)| lines.len()).max().unwrap_or_default();
    let line = |at: usize| {
        let mut line = String::new();
        for (lines, width) in columns {
            let text = lines.get(at).map_or("", String::as_str);
            line.push_str(text);
            line.extend(std::iter::repeat_n(' ', (width + GAP).saturating_sub(display_width(text))));
        }
        line.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

/// The lines of a cell: broken between words; a word that is too long for a line behind `/`, `-` or `_`, and only then
/// anywhere.
fn folded(cell: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in cell.split_whitespace() {
        let mut rest = word;
        while !rest.is_empty() {
            let line = lines.last().map_or("", String::as_str);
            let gap = usize::from(!line.is_empty());
            let room = width.saturating_sub(display_width(line) + gap);
            let (now, later) = if display_width(rest) <= room {
                (rest, "")
            } else if gap > 0 {
                lines.push(String::new());
                continue;
            } else {
                cut(rest, width)
            };
            if let Some(line) = lines.last_mut() {
                line.extend((gap > 0).then_some(' '));
                line.push_str(now);
            }
            rest = later;
            if !rest.is_empty() {
                lines.push(String::new());
            }
        }
    }
    lines
}

/// A word that is too long, cut where a reader expects it.
fn cut(word: &str, width: usize) -> (&str, &str) {
    let mut columns = 0;
    let fitting = word.char_indices().find_map(|(at, c)| {
        columns += display_width(c.encode_utf8(&mut [0; 4]));
        (columns > width.max(1)).then_some(at)
    });
    // At least one character, or there would be no end.
    let first = word.chars().next().map_or(0, char::len_utf8);
    let fitting = fitting.unwrap_or(word.len()).max(first);
    let joint = word.get(..fitting).and_then(|start| start.rfind(['/', '-', '_'])).map(|at| at + 1);
    word.split_at_checked(joint.unwrap_or(fitting)).unwrap_or((word, ""))
}

fn wrapped(out: &mut String, text: &str, first: &str, later: &str, width: usize) {
    let options = textwrap::Options::new(width)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .initial_indent(first)
        .subsequent_indent(later)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    out.push_str(&textwrap::fill(text, options).replace(UNBROKEN, " "));
    out.push('\n');
}

/// Every field of every type. `more` gives facts about a model of a type that the table itself does not have; what
/// nobody knows is `null`. Prices are dollars per million tokens.
pub fn json(backends: &Backends, more: &dyn Fn(&BackendType, &str) -> ModelFacts) -> Value {
    let hosts = backends.hosts().iter().map(|host| (host.domain.clone(), json!(host.key_variables)));
    json!({
        "backends": backends.types().iter().map(|backend| entry(backend, more)).collect::<Vec<_>>(),
        "hosts": hosts.collect::<Map<_, _>>(),
    })
}

fn entry(backend: &BackendType, more: &dyn Fn(&BackendType, &str) -> ModelFacts) -> Value {
    let speaks = match &backend.support {
        Support::NotYet { speaks } => Some(speaks),
        Support::Provider | Support::OwnServer | Support::Simulated | Support::Never => None,
    };
    let models = backend.models.iter().map(|model| {
        let facts = model.facts.or(more(backend, &model.name));
        json!({
            "name": model.name,
            "context_window": facts.context_window,
            "max_output_tokens": facts.max_output_tokens,
            "price": facts.price.as_ref().map(dollars),
            "lacks": names(&model.lacks),
        })
    });
    json!({
        "type": backend.name,
        "display_name": backend.display_name,
        "provider": backend.provider,
        "base_url": backend.base_url,
        "base_url_variable": backend.base_url_variable,
        "key_variables": backend.key_variables,
        "auth": backend.auth(),
        "default_model": backend.default_model,
        "families": backend.families,
        "filesystem_support": backend.files.as_str(),
        "capabilities": names(&backend.capabilities),
        "support": backend.support.as_str(),
        "runs": backend.support.runs(),
        "speaks": speaks,
        "models": models.collect::<Vec<_>>(),
    })
}

fn names(capabilities: &[Capability]) -> Vec<&'static str> {
    capabilities.iter().map(|capability| capability.as_str()).collect()
}

fn dollars(price: &Price) -> Value {
    let dollars = |nanos| Usd::from_nanos(nanos).dollars();
    json!({
        "input": dollars(price.input),
        "cached_input": dollars(price.cached_input),
        "cache_write": dollars(price.cache_write),
        "output": dollars(price.output),
    })
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
