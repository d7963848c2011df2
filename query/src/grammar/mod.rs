//! From tokens to the tree. One file for each part of a query; this one parses the whole.
//!
//! A query is cut at its `|` first, so that each part is parsed, and complained about, on its own.

mod condition;
mod expression;
mod head;
mod input;
mod stage;
#[cfg(test)]
mod tests;

use nom::{Err, Parser};

use crate::ast::{Head, Query};
use crate::error::{Problem, Problems};
use crate::lexer::{Kind, Token, tokens};
use crate::span::{Span, Spanned};
use input::{Failure, Parsed, Tokens};

/// Reads a query.
///
/// # Errors
/// All that is wrong with it, of each part the first thing.
pub(crate) fn parse(text: &str) -> Result<Query, Problems> {
    let (tokens, mut problems) = tokens(text);
    let mut query =
        Query { explain: false, head: Head::Conditions, conditions: Vec::new(), stages: Vec::new() };
    let mut end = text.trim_end().len();
    let parts: Vec<&[Token<'_>]> =
        tokens.split(|token| token.kind == Kind::Mark && token.text == "|").collect();
    for (index, part) in parts.iter().enumerate().rev() {
        let input = Tokens::new(part, end);
        let parsed = if index == 0 {
            whole(head::head, input).map(|(explain, head, conditions)| {
                (query.explain, query.head, query.conditions) = (explain, head, conditions);
            })
        } else {
            whole(stage::stage, input).map(|stage| {
                let span = part.first().map_or(Span::default(), |first| first.span.to(input.last_span()));
                query.stages.insert(0, Spanned::new(stage, span));
            })
        };
        // A part that could not be read into tokens has been complained about, and what is left makes no sense.
        if let Err(problem) = parsed
            && !problems
                .iter()
                .any(|known| known.span.start <= end && part_start(part, end) <= known.span.start)
        {
            problems.push(problem);
        }
        end = part.first().map_or(end, |first| first.span.start);
        // The end of the part before is where its `|` stands.
        end = text.get(..end).and_then(|before| before.rfind('|')).unwrap_or(end);
    }
    if problems.is_empty() { Ok(query) } else { Err(Problems::new(text, problems)) }
}

fn part_start(part: &[Token<'_>], end: usize) -> usize {
    part.first().map_or(end, |first| first.span.start)
}

/// Runs a parser over all of a part.
fn whole<'q, T>(
    mut parser: impl FnMut(Tokens<'q>) -> Parsed<'q, T>,
    input: Tokens<'q>,
) -> Result<T, Problem> {
    let failure = match parser.parse(input) {
        Ok((rest, parsed)) => match rest.first() {
            None => return Ok(parsed),
            Some(_) => Failure::unexpected(rest),
        },
        Err(Err::Error(failure) | Err::Failure(failure)) => failure,
        Err(Err::Incomplete(_)) => Failure::unexpected(input),
    };
    Err(failure.into_problem())
}
