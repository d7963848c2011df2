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
use crate::error::Problem;
use crate::lexer::{Kind, Token, tokens};
use crate::span::{Span, Spanned};
use input::{Failure, Parsed, Tokens};

/// Reads a query, and says all that is wrong with it: of each part the first thing. With problems the tree is what
/// stands before the first part that could not be read.
pub(crate) fn parse(text: &str) -> (Query, Vec<Problem>) {
    let (tokens, mut problems) = tokens(text);
    let mut query =
        Query { explain: false, head: Head::Conditions, conditions: Vec::new(), stages: Vec::new() };
    let ends = part_ends(text, &tokens);
    let parts = tokens.split(|token| is_bar(*token));
    let mut is_whole = true;
    for (index, (part, end)) in parts.zip(ends).enumerate() {
        let input = Tokens::new(part, end);
        let start = part.first().map_or(end, |first| first.span.start);
        // What was left out of a part as no token leaves something that makes no sense.
        let is_broken = problems.iter().any(|known| (start..=end).contains(&known.span.start));
        let parsed = match index {
            0 => whole(head::head, input).map(|(explain, head, conditions)| {
                if is_whole && !is_broken {
                    (query.explain, query.head, query.conditions) = (explain, head, conditions);
                }
            }),
            _ => whole(stage::stage, input).map(|stage| {
                if is_whole && !is_broken {
                    let span = Span { start, end: start }.to(input.last_span());
                    query.stages.push(Spanned::new(stage, span));
                }
            }),
        };
        is_whole &= parsed.is_ok() && !is_broken;
        if let Err(problem) = parsed
            && !is_broken
        {
            problems.push(problem);
        }
    }
    (query, problems)
}

fn is_bar(token: Token<'_>) -> bool {
    token.kind == Kind::Mark && token.text == "|"
}

/// Where each part ends: at its `|`, the last one at the end of the text.
fn part_ends(text: &str, tokens: &[Token<'_>]) -> Vec<usize> {
    let bars = tokens.iter().filter(|token| is_bar(**token)).map(|bar| bar.span.start);
    // The place behind the last word is where something is missing, not the bar.
    let behind = |end: usize| text.get(..end).map_or(end, |part| part.trim_end().len());
    bars.map(|bar| behind(bar) + usize::from(behind(bar) < bar)).chain([text.trim_end().len()]).collect()
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
