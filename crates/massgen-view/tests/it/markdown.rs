//! Markdown on a terminal.

use massgen_view::{Color, Glyphs, Style, markdown};

const PAGE: &str = r"
Title of *level* one
====================

A paragraph with **strong words**, *emphasis*, ~~deleted words~~, `inline code` and a line that is long enough to be
wrapped at any width. A hard break follows here,\
and the text goes on. An [address](https://example.org/path) and <https://example.org>.

## Level two
### Level three

- first
- second, with a longer text that has to be wrapped and then hangs under its own beginning
  - nested
    1. deeper
    2. twice
- [ ] open task
- [x] done task

3. three

4. four, loose

   with a second paragraph

> A quote that is long enough to be wrapped at forty columns, at least once.
>
> > nested

```rust
fn main() {
	let a_line_of_code_that_is_longer_than_forty_columns_is_left_alone = 1;
}
```

    indented code

---

| name | what it is | n |
|:-----|:----------:|--:|
| `a`  | short | 1 |
| 日本 | a rather long cell that needs more than one line in a narrow terminal | 22 |

![picture](image.png)

<b>html</b> &amp; entities &copy;
";

fn plain(width: usize) -> Style {
    Style::plain(width)
}

#[test]
fn a_page_with_everything() {
    insta::assert_snapshot!("markdown_80", markdown(PAGE, &plain(80)));
    insta::assert_snapshot!("markdown_40", markdown(PAGE, &plain(40)));
    insta::assert_snapshot!(
        "markdown_40_ascii",
        markdown(PAGE, &Style { glyphs: Glyphs::Ascii, ..plain(40) })
    );
    let bright = markdown(PAGE, &Style { color: Color::Always, ..plain(80) });
    insta::assert_snapshot!("markdown_80_color", bright.replace('\u{1b}', "␛"));
}

#[test]
fn without_colour_no_escape_sequence_is_written() {
    assert!(!markdown(PAGE, &plain(80)).contains('\u{1b}'));
}

#[test]
fn a_table_with_too_many_columns_is_shown_row_by_row() {
    let table = "| a | b | c | d | e |\n|--|--|--|--|--|\n\
        | first value | second value | third value | fourth value | fifth value |\n| 1 | | 3 | 4 | 5 |";
    insta::assert_snapshot!(markdown(table, &plain(30)), @"
    a: first value
    b: second value
    c: third value
    d: fourth value
    e: fifth value

    a: 1
    c: 3
    d: 4
    e: 5
    ");
}

#[test]
fn text_that_is_not_markdown_stays_readable() {
    assert_eq!(markdown("just text", &plain(80)), "just text");
    assert_eq!(markdown("", &plain(80)), "");
    assert_eq!(markdown("2 * 3 < 7 and a_b_c $x$", &plain(80)), "2 * 3 < 7 and a_b_c $x$");
    assert_eq!(markdown("- a\n-\n- c", &plain(80)), "• a\n•\n• c");
}
