//! Findings as a person reads them: drawn with colour in a terminal, or as plain lines that a program, a log and a
//! screen reader can take.

use std::fmt::{self, Write};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};

use crate::finding::{Finding, Findings, Severity};
use crate::node::Origin;
use crate::source::{Source, Span};

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Drawn, with colour, for a terminal of this many columns.
    Drawn {
        /// Columns.
        width: usize,
    },
    /// `file:line:column: error: …`, the line, a mark under it and the hint, without colour.
    Plain {
        /// Columns.
        width: usize,
    },
}

/// All findings and a last line that counts them; empty when there are none.
pub fn render(findings: &Findings, style: Style) -> String {
    let mut out = String::new();
    if findings.is_empty() {
        return out;
    }
    for finding in findings.items() {
        match style {
            Style::Drawn { width } => draw(&mut out, finding, findings.source(), width),
            Style::Plain { width } => plain(&mut out, finding, findings.source(), width),
        }
        out.push('\n');
    }
    out.push_str(&findings.to_string());
    out.push('\n');
    out
}

/// Narrowest text column; a narrower terminal breaks the lines itself.
const NARROWEST: usize = 20;

fn plain(out: &mut String, finding: &Finding, source: Option<&Source>, width: usize) {
    let place = match (source, finding.span(), &finding.origin) {
        (Some(source), Some(span), _) => format!("{}:{}:{}: ", source.name(), span.line, span.column),
        (_, _, Some(Origin::Flag(flag))) => format!("{flag}: "),
        (Some(source), None, None) => format!("{}: ", source.name()),
        _ => String::new(),
    };
    wrapped(out, &format!("{place}{}: {}", finding.severity, finding.message), "", "  ", width);
    if let (Some(source), Some(span)) = (source, finding.span())
        && let Some(line) = source.text().lines().nth(span.line as usize - 1)
    {
        excerpt(out, line, span, width);
    }
    if let Some(hint) = &finding.hint {
        wrapped(out, hint, "  hint: ", "        ", width);
    }
}

/// The line of the text and a mark under the place; of a long line only the part around the place.
fn excerpt(out: &mut String, line: &str, span: Span, width: usize) {
    let number = span.line.to_string();
    let room = width.saturating_sub(number.len() + 5).max(NARROWEST);
    let column = span.column as usize - 1;
    let skipped = if column + 10 > room { column.saturating_sub(room / 3) } else { 0 };
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let shown: String = line.chars().skip(skipped).take(room).map(visible).collect();
    let left = shown.chars().count().saturating_sub(column - skipped);
    let place = line.chars().skip(column).collect::<String>();
    let marked = place.get(..span.length.min(place.len())).map_or(1, |part| part.trim_end().chars().count());
    let marks = "^".repeat(marked.clamp(1, left.max(1)));
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  {number} | {}", shown.trim_end());
    let _ =
        writeln!(out, "  {:gap$} | {:indent$}{marks}", "", "", gap = number.len(), indent = column - skipped);
}

fn wrapped(out: &mut String, text: &str, first: &str, later: &str, width: usize) {
    let options = textwrap::Options::new(width.max(NARROWEST))
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .initial_indent(first)
        .subsequent_indent(later)
        // A flag or a path is for copying.
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    out.push_str(&textwrap::fill(text, options));
    out.push('\n');
}

fn draw(out: &mut String, finding: &Finding, source: Option<&Source>, width: usize) {
    let shown = Shown { finding, source: source.map(Text) };
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .with_width(width.max(NARROWEST))
        .with_context_lines(1)
        .with_links(false);
    if handler.render_report(out, &shown).is_err() {
        // The drawing refuses a place outside the text; the plain form does not need it.
        plain(out, finding, source, width);
    }
}

/// A finding as miette wants it.
#[derive(Debug)]
struct Shown<'a> {
    finding: &'a Finding,
    source: Option<Text<'a>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Origin::Flag(flag)) = &self.finding.origin {
            write!(f, "{flag}: ")?;
        }
        f.write_str(&self.finding.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Notice => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.finding.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.finding.span()?;
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.finding.span()?;
        let text = self.source.as_ref()?.0.text();
        // A block of text starts on one line and ends on another; the first line is enough to find it.
        let under = text.get(span.bytes()).unwrap_or_default();
        let length = under.find('\n').unwrap_or(under.len());
        Some(Box::new(std::iter::once(LabeledSpan::underline((span.start, length.max(1))))))
    }
}

/// A source that names itself.
#[derive(Debug)]
struct Text<'a>(&'a Source);

impl SourceCode for Text<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let part = self.0.text().read_span(span, lines_before, lines_after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.0.name().to_owned(),
            part.data(),
            *part.span(),
            part.line(),
            part.column(),
            part.line_count(),
        )))
    }
}
