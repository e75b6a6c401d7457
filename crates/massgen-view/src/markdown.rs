//! Markdown as text for a terminal: wrapped, readable without colour, and harmless whatever the model wrote.

use pulldown_cmark::{Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::clean::{clean_line, clean_text};
use crate::grid::{Align, Frame, Grid};
use crate::limits;
use crate::style::{Color, Look, Style, Styled, width};

/// `text` rendered for `style`, without a line feed at the end. Links show their address; raw HTML is shown as it is
/// written; lines of code blocks are not wrapped, so that they can be copied.
pub fn markdown(text: &str, style: &Style) -> String {
    let text = clean_text(text);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut page = Page::new(style);
    for event in Parser::new_ext(&text, options) {
        page.take(event);
    }
    page.flush();
    page.lines.join("\n")
}

/// A list or a quote around what is being written: its marks in front of every line.
struct Indent {
    /// In front of the next line only, if that is the first; then `None`.
    first: Option<Styled>,
    /// In front of the others.
    rest: Styled,
}

struct Page<'s> {
    style: &'s Style,
    lines: Vec<String>,
    indents: Vec<Indent>,
    /// Lists and quotes that are deeper than what is indented.
    too_deep: usize,
    /// The paragraph, heading or cell that is being collected.
    inline: Styled,
    looks: Vec<Look>,
    lists: Vec<Option<u64>>,
    /// Addresses of open links, with the text before them, to see whether the text is the address.
    links: Vec<(String, usize)>,
    code: Option<String>,
    table: Option<Grid>,
    /// An empty line is due before the next block.
    gap: bool,
}

impl<'s> Page<'s> {
    fn new(style: &'s Style) -> Self {
        Self {
            style,
            lines: Vec::new(),
            indents: Vec::new(),
            too_deep: 0,
            inline: Styled::default(),
            looks: Vec::new(),
            lists: Vec::new(),
            links: Vec::new(),
            code: None,
            table: None,
            gap: false,
        }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => self.push(&text),
            },
            Event::Code(code) => {
                self.marked("`", Look::CYAN, |page| page.push(&code));
            }
            Event::Html(html) | Event::InlineHtml(html) => self.push(&html),
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.push(&text);
            }
            Event::SoftBreak => self.push(" "),
            Event::HardBreak => self.push("\n"),
            Event::Rule => {
                self.flush();
                let rule = self.style.glyph("─", "-").repeat(self.room());
                self.block(&[Styled::new(&rule, Look::DIM)]);
                self.gap = true;
            }
            Event::TaskListMarker(done) => self.push(if done { "[x] " } else { "[ ] " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => {
                self.flush();
                self.looks.push(match level {
                    HeadingLevel::H1 => Look::BOLD.and(Look::CYAN).and(Look::UNDERLINE),
                    HeadingLevel::H2 => Look::BOLD.and(Look::CYAN),
                    HeadingLevel::H3 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => Look::BOLD,
                });
            }
            Tag::BlockQuote(_) => {
                self.flush();
                let bar = Styled::new(self.style.glyph("│ ", "> "), Look::DIM);
                self.indent(Some(bar.clone()), bar);
                self.looks.push(Look::ITALIC);
            }
            Tag::CodeBlock(kind) => {
                self.flush();
                if let CodeBlockKind::Fenced(language) = kind
                    && let Some(language) = clean_line(&language).split_whitespace().next()
                {
                    self.block(&[Styled::new(&format!("    [{language}]"), Look::DIM)]);
                }
                self.code = Some(String::new());
            }
            Tag::List(number) => {
                self.flush();
                if !self.lists.is_empty() {
                    self.gap = false;
                }
                self.lists.push(number);
            }
            Tag::Item => {
                let mark = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        let mark = format!("{number}. ");
                        *number = number.saturating_add(1);
                        mark
                    }
                    Some(None) | None => self.style.glyph("• ", "* ").to_owned(),
                };
                let rest = Styled::plain(&" ".repeat(width(&mark)));
                self.indent(Some(Styled::new(&mark, Look::DIM)), rest);
            }
            Tag::Table(aligns) => {
                self.flush();
                let aligns = aligns.iter().map(|align| match align {
                    Alignment::None | Alignment::Left => Align::Left,
                    Alignment::Center => Align::Center,
                    Alignment::Right => Align::Right,
                });
                self.table = Some(Grid { aligns: aligns.collect(), rows: Vec::new() });
            }
            Tag::TableHead => {
                self.new_row();
                self.looks.push(Look::BOLD);
            }
            Tag::TableRow => self.new_row(),
            Tag::Emphasis => self.open("*", Look::ITALIC),
            Tag::Strong => self.open("**", Look::BOLD),
            Tag::Strikethrough => self.open("~~", Look::STRIKE),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((clean_line(&dest_url), self.inline.text().len()));
                self.looks.push(Look::UNDERLINE);
            }
            Tag::HtmlBlock => self.flush(),
            Tag::Paragraph
            | Tag::TableCell
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => {
                self.flush();
                self.gap = true;
            }
            TagEnd::Heading(level) => {
                self.looks.pop();
                self.heading(level);
                self.gap = true;
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.looks.pop();
                self.outdent();
                self.gap = true;
            }
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                let code = code.strip_suffix('\n').unwrap_or(&code);
                let lines: Vec<_> =
                    code.split('\n').map(|line| Styled::new(&format!("    {line}"), Look::GREEN)).collect();
                self.block(&lines);
                self.gap = true;
            }
            TagEnd::List(_) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.gap = true;
                }
            }
            TagEnd::Item => {
                self.flush();
                // An empty item still shows its mark.
                if self.indents.last().is_some_and(|indent| indent.first.is_some()) {
                    self.block(&[Styled::default()]);
                }
                self.outdent();
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    self.table_block(&table);
                }
                self.gap = true;
            }
            TagEnd::TableHead => {
                self.looks.pop();
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.inline);
                if let Some(row) = self.table.as_mut().and_then(|table| table.rows.last_mut()) {
                    row.push(cell);
                }
            }
            TagEnd::Emphasis => self.close("*"),
            TagEnd::Strong => self.close("**"),
            TagEnd::Strikethrough => self.close("~~"),
            TagEnd::Link | TagEnd::Image => {
                self.looks.pop();
                if let Some((address, start)) = self.links.pop() {
                    let text = self.inline.text().get(start..).unwrap_or_default();
                    if !address.is_empty() && text != address && format!("mailto:{text}") != address {
                        let before = if text.is_empty() { "" } else { " " };
                        let look = self.look().and(Look::DIM);
                        self.inline.push(&format!("{before}<{address}>"), look);
                    }
                }
            }
            TagEnd::TableRow
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    fn look(&self) -> Look {
        self.looks.iter().fold(Look::PLAIN, |all, look| all.and(*look))
    }

    fn push(&mut self, text: &str) {
        let look = self.look();
        self.inline.push(text, look);
    }

    /// Opens an emphasis. Without colour its marks stay, as people write them.
    fn open(&mut self, mark: &str, look: Look) {
        self.looks.push(look);
        if self.style.color == Color::Never {
            self.push(mark);
        }
    }

    fn close(&mut self, mark: &str) {
        if self.style.color == Color::Never {
            self.push(mark);
        }
        self.looks.pop();
    }

    fn marked(&mut self, mark: &str, look: Look, write: impl FnOnce(&mut Self)) {
        self.open(mark, look);
        write(self);
        self.close(mark);
    }

    fn new_row(&mut self) {
        if let Some(table) = &mut self.table {
            table.rows.push(Vec::new());
        }
    }

    fn indent(&mut self, first: Option<Styled>, rest: Styled) {
        self.flush();
        // Half of the width is for text, however deep the nesting.
        let used: usize = self.indents.iter().map(|indent| indent.rest.width()).sum();
        if self.indents.len() >= limits::MARKDOWN_DEPTH || used + rest.width() > self.style.width / 2 {
            self.too_deep += 1;
        } else {
            self.pay_gap();
            self.indents.push(Indent { first, rest });
        }
    }

    fn outdent(&mut self) {
        if self.too_deep > 0 {
            self.too_deep -= 1;
        } else {
            self.indents.pop();
        }
    }

    /// Columns for text between the indents and the right edge.
    fn room(&self) -> usize {
        let used: usize = self.indents.iter().map(|indent| indent.rest.width()).sum();
        self.style.width.saturating_sub(used).max(limits::TEXT_COLUMNS)
    }

    /// Writes the empty line that is due, with the marks of the quotes around it.
    fn pay_gap(&mut self) {
        if self.gap && !self.lines.is_empty() {
            let mut line = Styled::default();
            for indent in &self.indents {
                line.append(&indent.rest);
            }
            self.lines.push(line.paint(self.style));
        }
        self.gap = false;
    }

    fn block(&mut self, lines: &[Styled]) {
        self.pay_gap();
        for line in lines {
            let mut whole = Styled::default();
            for indent in &mut self.indents {
                whole.append(&indent.first.take().unwrap_or_else(|| indent.rest.clone()));
            }
            whole.append(line);
            self.lines.push(whole.paint(self.style));
        }
    }

    /// Writes the paragraph that was collected, if there is one.
    fn flush(&mut self) {
        // In a cell the text belongs to the table.
        if self.table.is_some() || self.inline.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.inline);
        let mut lines = text.wrap(self.room());
        while lines.last().is_some_and(Styled::is_empty) {
            lines.pop();
        }
        self.block(&lines);
    }

    fn heading(&mut self, level: HeadingLevel) {
        let text = std::mem::take(&mut self.inline);
        let mark = match level {
            HeadingLevel::H1 | HeadingLevel::H2 => "",
            HeadingLevel::H3 => "### ",
            HeadingLevel::H4 => "#### ",
            HeadingLevel::H5 => "##### ",
            HeadingLevel::H6 => "###### ",
        };
        let mut whole = Styled::new(if self.style.color == Color::Never { mark } else { "" }, Look::BOLD);
        whole.append(&text);
        let mut lines = whole.wrap(self.room());
        if self.style.color == Color::Never {
            let line = match level {
                HeadingLevel::H1 => self.style.glyph("═", "="),
                HeadingLevel::H2 => self.style.glyph("─", "-"),
                HeadingLevel::H3 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => "",
            };
            if !line.is_empty() {
                let widest = lines.iter().map(Styled::width).max().unwrap_or(0);
                lines.push(Styled::plain(&line.repeat(widest)));
            }
        }
        self.block(&lines);
    }

    /// A table as columns, or, where those would be too narrow, row by row: `header: cell`.
    fn table_block(&mut self, table: &Grid) {
        if let Some(lines) = table.lines(self.room(), Frame::Ruled, self.style) {
            self.block(&lines);
            return;
        }
        let room = self.room();
        let mut rows = table.rows.iter();
        let header = rows.next().cloned().unwrap_or_default();
        for (at, row) in rows.enumerate() {
            self.gap = at > 0 || self.gap;
            let mut lines = Vec::new();
            for (column, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                let mut text = header.get(column).cloned().unwrap_or_default();
                text.push(": ", Look::DIM);
                text.append(cell);
                lines.extend(text.wrap(room));
            }
            self.block(&lines);
        }
    }
}
