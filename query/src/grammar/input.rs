//! What the parsers read: tokens, for nom, with errors that remember the furthest place and what would have fitted
//! there.

use std::iter::{Copied, Enumerate};
use std::slice::Iter;

use nom::error::{ErrorKind, ParseError};
use nom::{Err, IResult, Input, Needed, Parser};

use crate::error::Problem;
use crate::lexer::{Kind, Token};
use crate::span::{Span, Spanned};

/// The tokens of one part of a query that are still to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'q> {
    tokens: &'q [Token<'q>],
    /// Where the part ends in the text.
    end: usize,
}

pub(super) type Parsed<'q, T> = IResult<Tokens<'q>, T, Failure>;

impl<'q> Tokens<'q> {
    pub(super) fn new(tokens: &'q [Token<'q>], end: usize) -> Self {
        Tokens { tokens, end }
    }

    pub(super) fn first(&self) -> Option<Token<'q>> {
        self.tokens.first().copied()
    }

    /// The place of the next token, or of the end.
    pub(super) fn span(&self) -> Span {
        self.first().map_or(Span { start: self.end, end: self.end }, |token| token.span)
    }

    /// The place of the last token.
    pub(super) fn last_span(&self) -> Span {
        self.tokens.last().map_or(self.span(), |token| token.span)
    }

    /// The token at `place` from here.
    pub(super) fn peek(&self, place: usize) -> Option<Token<'q>> {
        self.tokens.get(place).copied()
    }

    /// The place of the token before `rest`, which follows these.
    pub(super) fn span_before(&self, rest: &Self) -> Span {
        let read = self.tokens.len().saturating_sub(rest.tokens.len());
        read.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(self.span(), |token| token.span)
    }

    fn after_first(&self) -> Self {
        Tokens { tokens: self.tokens.get(1..).unwrap_or_default(), end: self.end }
    }
}

impl<'q> Input for Tokens<'q> {
    type Item = Token<'q>;
    type Iter = Copied<Iter<'q, Token<'q>>>;
    type IterIndices = Enumerate<Self::Iter>;

    fn input_len(&self) -> usize {
        self.tokens.len()
    }

    fn take(&self, index: usize) -> Self {
        Tokens { tokens: self.tokens.get(..index).unwrap_or(self.tokens), end: self.end }
    }

    fn take_from(&self, index: usize) -> Self {
        Tokens { tokens: self.tokens.get(index..).unwrap_or_default(), end: self.end }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.iter_elements().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.tokens.iter().copied()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.iter_elements().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if count <= self.tokens.len() { Ok(count) } else { Err(Needed::new(count - self.tokens.len())) }
    }
}

/// Why a parser cannot go on.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    span: Span,
    expected: Vec<String>,
    found: String,
    /// Said instead of what was expected.
    message: Option<String>,
    help: Option<String>,
}

impl Failure {
    pub(super) fn unexpected(input: Tokens<'_>) -> Failure {
        let found = input.first().map_or_else(|| "the end".to_owned(), |token| format!("`{}`", token.text));
        Failure { span: input.span(), expected: Vec::new(), found, message: None, help: None }
    }

    pub(super) fn expected(input: Tokens<'_>, what: &str) -> Failure {
        Failure { expected: vec![what.to_owned()], ..Failure::unexpected(input) }
    }

    pub(super) fn message(input: Tokens<'_>, message: impl Into<String>) -> Failure {
        Failure { message: Some(message.into()), ..Failure::unexpected(input) }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// As [`Failure::help`], where there is a word that was most likely meant.
    pub(super) fn meant(self, nearest: Option<&str>) -> Failure {
        match nearest {
            Some(word) => self.help(format!("did you mean `{word}`?")),
            None => self,
        }
    }

    pub(super) fn into_problem(self) -> Problem {
        let message = self.message.unwrap_or_else(|| match self.expected.as_slice() {
            [] => format!("expected `|` or the end, found {}", self.found),
            [one] => format!("expected {one}, found {}", self.found),
            [first @ .., last] => format!("expected {} or {last}, found {}", first.join(", "), self.found),
        });
        Problem { span: self.span, message, help: self.help }
    }
}

impl ParseError<Tokens<'_>> for Failure {
    fn from_error_kind(input: Tokens<'_>, _: ErrorKind) -> Failure {
        Failure::unexpected(input)
    }

    fn append(_: Tokens<'_>, _: ErrorKind, other: Failure) -> Failure {
        other
    }

    /// The one that got further has more to say; of two at one place, both.
    fn or(mut self, other: Failure) -> Failure {
        if self.span.start != other.span.start {
            return if self.span.start > other.span.start { self } else { other };
        }
        for what in other.expected {
            if !self.expected.contains(&what) {
                self.expected.push(what);
            }
        }
        self.message = self.message.or(other.message);
        self.help = self.help.or(other.help);
        self
    }
}

/// A word that is a keyword here.
pub(super) fn keyword<'q>(word: &'static str) -> impl Parser<Tokens<'q>, Output = Span, Error = Failure> {
    exactly(Kind::Word, word)
}

/// A mark.
pub(super) fn mark<'q>(mark: &'static str) -> impl Parser<Tokens<'q>, Output = Span, Error = Failure> {
    exactly(Kind::Mark, mark)
}

fn exactly<'q>(kind: Kind, text: &'static str) -> impl Parser<Tokens<'q>, Output = Span, Error = Failure> {
    move |input: Tokens<'q>| match input.first() {
        Some(token) if token.kind == kind && token.text == text => Ok((input.after_first(), token.span)),
        _ => Err(Err::Error(Failure::expected(input, &format!("`{text}`")))),
    }
}

/// Any token of a kind.
pub(super) fn any<'q>(
    kind: Kind,
    what: &'static str,
) -> impl Parser<Tokens<'q>, Output = Spanned<&'q str>, Error = Failure> {
    move |input: Tokens<'q>| match input.first() {
        Some(token) if token.kind == kind => Ok((input.after_first(), Spanned::new(token.text, token.span))),
        _ => Err(Err::Error(Failure::expected(input, what))),
    }
}

/// A whole number.
pub(super) fn number<'q>(what: &'static str) -> impl Parser<Tokens<'q>, Output = u64, Error = Failure> {
    move |input: Tokens<'q>| {
        let (rest, word) = any(Kind::Word, what).parse(input)?;
        match plain_number(word.node) {
            Some(number) => Ok((rest, number)),
            None => Err(Err::Error(Failure::expected(input, what))),
        }
    }
}

/// The number that these digits, and nothing else, say.
pub(super) fn plain_number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
