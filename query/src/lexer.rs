//! From text to tokens: words, texts in quotes, parameters and marks. It knows no keyword and no meaning.
//!
//! A word runs up to a space or one of `( ) , | = ! < > ~ "`; so dates, globs, control ids and JSON paths are words.
//! Behind a dot a key in quotes belongs to the word: `annotations."example.com/reason"`. From `#` at the start of a
//! word the rest of the line is a comment.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, none_of, satisfy};
use nom::combinator::{not, opt, recognize, value};
use nom::multi::{many0_count, many1_count};
use nom::sequence::{delimited, pair, preceded};
use nom::{IResult, Parser};

use crate::error::Problem;
use crate::span::Span;

/// Deepest nesting of parentheses in a query.
const DEPTH_MAX: usize = 40;
/// Longest query in bytes.
pub(crate) const QUERY_LEN_MAX: usize = 64 << 10;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A run of plain characters.
    Word,
    /// Something in double quotes, which are part of the token's text.
    Text,
    /// `$name`.
    Param,
    /// A mark: `(`, `)`, `,`, `|` or an operator.
    Mark,
}

/// A piece of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'q> {
    pub(crate) kind: Kind,
    pub(crate) text: &'q str,
    pub(crate) span: Span,
}

type Lexed<'q, T> = IResult<&'q str, T, ()>;

/// All tokens of a query, and what could be read as none.
pub(crate) fn tokens(query: &str) -> (Vec<Token<'_>>, Vec<Problem>) {
    let (mut tokens, mut problems) = (Vec::new(), Vec::new());
    if query.len() > QUERY_LEN_MAX {
        let span = Span { start: QUERY_LEN_MAX, end: query.len() };
        problems.push(Problem::new(span, format!("a query is at most {QUERY_LEN_MAX} bytes long")));
        return (tokens, problems);
    }
    let mut depth = 0_usize;
    let mut rest = skip(query);
    while !rest.is_empty() {
        let start = query.len() - rest.len();
        let (after, kind) = match token(rest) {
            Ok((after, kind)) => (after, Some(kind)),
            Err(_) => (unreadable(rest), None),
        };
        let span = Span { start, end: query.len() - after.len() };
        let text = &query[span.start..span.end];
        match kind {
            Some(kind) => tokens.push(Token { kind, text, span }),
            None => problems.push(complaint(text, span)),
        }
        match text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            let message = format!("parentheses are nested more than {DEPTH_MAX} deep");
            problems.push(Problem::new(span, message));
            // What parses the tokens goes down one level for each parenthesis.
            tokens.clear();
            return (tokens, problems);
        }
        rest = skip(after);
    }
    (tokens, problems)
}

/// What follows spaces and comments.
fn skip(text: &str) -> &str {
    let mut rest = text.trim_start();
    while rest.starts_with('#') {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    rest
}

fn token(input: &str) -> Lexed<'_, Kind> {
    alt((
        value(Kind::Mark, alt((tag("!="), tag("<="), tag(">=")))),
        value(Kind::Mark, nom::character::complete::one_of("(),|=<>~")),
        value(Kind::Text, quoted),
        value(Kind::Param, param),
        value(Kind::Word, word),
    ))
    .parse(input)
}

/// A text in double quotes: behind a backslash any character stands for itself here.
fn quoted(input: &str) -> Lexed<'_, &str> {
    let escaped = preceded(char('\\'), satisfy(|_| true));
    recognize(delimited(char('"'), many0_count(alt((escaped, none_of("\"\\")))), char('"'))).parse(input)
}

fn param(input: &str) -> Lexed<'_, &str> {
    let first = satisfy(|c| c.is_ascii_alphabetic() || c == '_');
    let more = take_while(|c: char| c.is_ascii_alphanumeric() || c == '_');
    recognize((char('$'), first, more)).parse(input)
}

fn word(input: &str) -> Lexed<'_, &str> {
    let key_in_quotes = recognize(pair(char('.'), quoted));
    let plain = take_while1(|c| is_plain(c) && c != '.');
    let dot = preceded(not(tag(".\"")), tag("."));
    let piece = alt((key_in_quotes, plain, dot));
    preceded(not(alt((char('$'), char('\'')))), recognize((many1_count(piece), opt(tag(""))))).parse(input)
}

/// Whether a word may hold this character.
pub(crate) fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"(),|=!<>~\"“”".contains(c)
}

/// What follows something that is no token: the complaint is about all of it at once.
fn unreadable(rest: &str) -> &str {
    match rest.chars().next() {
        Some('"' | '.') => "",
        Some(quote @ ('\'' | '“' | '”')) => {
            let close = if quote == '\'' { '\'' } else { '”' };
            let inside = &rest[quote.len_utf8()..];
            inside.split_once(close).map_or("", |(_, after)| after)
        }
        Some(c) => &rest[c.len_utf8()..],
        None => "",
    }
}

fn complaint(text: &str, span: Span) -> Problem {
    match text.chars().next() {
        Some('"') => Problem::new(span, "this quote is never closed").help("write \\\" for a quote inside of a text"),
        Some('.') => Problem::new(span, "a key in quotes is never closed"),
        Some('\'' | '“' | '”') => Problem::new(span, "texts stand in double quotes: \"…\""),
        Some('$') => Problem::new(span, "a parameter's name is missing").help(
            "a parameter is $ and a name, such as $run; a text that begins with a dollar sign stands in quotes",
        ),
        Some('!') => Problem::new(span, "a lone exclamation mark").help("write != for another value, not for negation"),
        _ => Problem::new(span, format!("{text:?} means nothing here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(query: &str) -> Vec<&str> {
        let (tokens, problems) = tokens(query);
        assert!(problems.is_empty(), "{query}: {problems:?}");
        tokens.iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_are_dates_globs_paths_and_ids() {
        assert_eq!(words("a=b"), ["a", "=", "b"]);
        assert_eq!(words("x>=-5|y"), ["x", ">=", "-5", "|", "y"]);
        assert_eq!(words("control SOC2:CC6.*"), ["control", "SOC2:CC6.*"]);
        assert_eq!(words("tool.args[0].path != \"a b\""), ["tool.args[0].path", "!=", "\"a b\""]);
        assert_eq!(words(r#"a."b c/\"d".e = 1"#), [r#"a."b c/\"d".e"#, "=", "1"]);
        assert_eq!(words(r#"."odd key""#), [r#"."odd key""#]);
        assert_eq!(words("seq 3..9 ±5 +-5 …"), ["seq", "3..9", "±5", "+-5", "…"]);
        assert_eq!(words("in (\"a\",$b)"), ["in", "(", "\"a\"", ",", "$b", ")"]);
        assert_eq!(words("# all of it\n a # this is it\nb#c"), ["a", "b#c"]);
        assert_eq!(words("@t.$id \"\\\\\" \"\""), ["@t.$id", "\"\\\\\"", "\"\""]);
        assert!(words("  ").is_empty());
    }

    #[test]
    fn what_is_no_token_is_told_once_and_passed_over() {
        for (query, at, left) in [
            ("a 'b c' d", 2..7, 2),
            ("a \"b c", 2..6, 1),
            ("a ! b", 2..3, 2),
            ("$ a", 0..1, 1),
            ("a = “b”", 4..11, 2),
            ("a.\"b", 1..4, 1),
            ("a \u{7} b", 2..3, 2),
        ] {
            let (tokens, problems) = tokens(query);
            assert_eq!(problems.len(), 1, "{query}: {problems:?}");
            assert_eq!(problems[0].span, Span { start: at.start, end: at.end }, "{query}");
            assert_eq!(tokens.len(), left, "{query}: {tokens:?}");
        }
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        assert_eq!(tokens(&"(".repeat(10_000)).1.len(), 1);
        assert!(tokens(&"(".repeat(40)).1.is_empty());
        assert_eq!(tokens(&"a ".repeat(40_000)).1.len(), 1);
    }
}
