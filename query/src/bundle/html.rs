//! HTML as it is written here: elements without scripts, and text that can be nothing but text.

use std::fmt::{Display, Write};

/// A page, as it grows.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Writes markup of our own.
    pub(super) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// Writes an element that holds nothing but text.
    pub(super) fn element(&mut self, name: &str, text: impl Display) {
        self.raw("<");
        self.raw(name);
        self.raw(">");
        self.text(text);
        self.raw("</");
        // Attributes are those of the start.
        self.raw(name.split(' ').next().unwrap_or_default());
        self.raw(">");
    }

    /// Writes text. What could end it, or show a reader something else than what is there, is written out.
    pub(super) fn text(&mut self, text: impl Display) {
        for char in text.to_string().chars() {
            match char {
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '&' => self.raw("&amp;"),
                '"' => self.raw("&quot;"),
                '\'' => self.raw("&#39;"),
                '\n' => self.0.push('\n'),
                char if is_unseen(char) => {
                    let _ = write!(self.0, "\\u{{{:04x}}}", u32::from(char));
                }
                char => self.0.push(char),
            }
        }
    }

    /// A row of a table, each cell an element of this name.
    pub(super) fn row<T: Display>(&mut self, cell: &str, cells: impl IntoIterator<Item = T>) {
        self.raw("<tr>");
        cells.into_iter().for_each(|text| self.element(cell, text));
        self.raw("</tr>\n");
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// Characters that show nothing, or change the direction or the place of others.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let mut html = Html::default();
        html.element("td class=\"w\"", "<script>a('\"&')</script>\u{202e}\r\u{7}ä");
        let page = String::from_utf8(html.into_bytes()).unwrap();
        assert_eq!(
            page,
            "<td class=\"w\">&lt;script&gt;a(&#39;&quot;&amp;&#39;)&lt;/script&gt;\\u{202e}\\u{000d}\\u{0007}ä</td>"
        );
    }
}
