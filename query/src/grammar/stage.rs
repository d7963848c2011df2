//! What stands behind a `|`.

use nom::branch::alt;
use nom::combinator::{cut, map, opt, success, value};
use nom::sequence::{delimited, preceded};
use nom::{Err, Parser};

use super::condition::condition;
use super::expression::{aggregate, expression, field, list, named, plain_expression};
use super::input::{Failure, Parsed, Tokens, any, keyword, mark, number};
use crate::ast::{Aggregate, Beside, Expression, Named, Side, SortKey, Stage, Within};
use crate::lexer::Kind;
use crate::span::Spanned;
use crate::words::{STAGES, nearest};

/// One stage.
pub(super) fn stage<'q>(input: Tokens<'q>) -> Parsed<'q, Stage> {
    let Some(first) = input.first().filter(|token| token.kind == Kind::Word) else {
        return Err(Err::Error(Failure::expected(input, "a stage such as count by or sort")));
    };
    if !STAGES.contains(&first.text) {
        let failure = Failure::message(input, format!("there is no stage `{}`", first.text));
        return Err(Err::Error(match nearest(first.text, STAGES) {
            Some(word) => failure.meant(Some(word)),
            None => failure.help(format!("there are {}", STAGES.join(", "))),
        }));
    }
    alt((
        map(preceded(keyword("where"), cut(condition)), Stage::Where),
        map(preceded(keyword("fields"), cut(list(named(plain_expression)))), Stage::Fields),
        map(preceded(keyword("sort"), cut(list(sort_key))), Stage::Sort),
        map(preceded(keyword("limit"), cut(number("how many rows"))), Stage::Limit),
        map(preceded(keyword("tail"), cut(number("how many rows"))), Stage::Tail),
        sample,
        map(preceded(keyword("count"), cut(by_or_nothing)), Stage::Count),
        map(
            preceded(keyword("stats"), cut((list(named(spanned_aggregate)), by_or_nothing))),
            |(aggregates, by)| Stage::Stats(aggregates, by),
        ),
        map(preceded(keyword("distinct"), cut(list(named(plain_expression)))), Stage::Distinct),
        map(preceded(keyword("first"), cut(by)), Stage::First),
        map(preceded(keyword("last"), cut(by)), Stage::Last),
        map(beside, |beside| Stage::Beside(Box::new(beside))),
    ))
    .parse(input)
}

fn sort_key<'q>(input: Tokens<'q>) -> Parsed<'q, SortKey> {
    let (rest, (by, descending)) = (expression, opt(keyword("desc"))).parse(input)?;
    let is_word = |token: &crate::lexer::Token<'_>| token.kind == Kind::Word;
    if let Some(word) = rest.first().filter(is_word) {
        let failure = Failure::expected(rest, "`desc`, a comma or the end");
        let failure = if word.text == "asc" {
            failure.help("the least comes first unless `desc` is written")
        } else if word.text.eq_ignore_ascii_case("desc") {
            failure.meant(Some("desc"))
        } else {
            failure
        };
        return Err(Err::Failure(failure));
    }
    Ok((rest, SortKey { by, descending: descending.is_some() }))
}

fn sample<'q>(input: Tokens<'q>) -> Parsed<'q, Stage> {
    let seed = alt((preceded(keyword("seed"), cut(number("a whole number"))), success(0)));
    map(preceded(keyword("sample"), cut((number("how many rows"), seed))), |(count, seed)| {
        Stage::Sample(count, seed)
    })
    .parse(input)
}

fn by_or_nothing<'q>(input: Tokens<'q>) -> Parsed<'q, Vec<Named<Expression>>> {
    if input.first().is_none() {
        return Ok((input, Vec::new()));
    }
    match keyword("by").parse(input) {
        Ok((rest, _)) => cut(list(named(plain_expression))).parse(rest),
        Err(_) => Err(Err::Error(Failure::expected(input, "`by` or the end"))),
    }
}

fn by<'q>(input: Tokens<'q>) -> Parsed<'q, Vec<Spanned<Expression>>> {
    preceded(keyword("by"), list(plain_expression)).parse(input)
}

fn spanned_aggregate<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<Aggregate>> {
    let (rest, aggregate) = aggregate(input)?;
    Ok((rest, Spanned::new(aggregate, input.span().to(input.span_before(&rest)))))
}

fn beside<'q>(input: Tokens<'q>) -> Parsed<'q, Beside> {
    let (rest, unless) = opt(keyword("unless")).parse(input)?;
    let mut side =
        alt((value(Side::Preceded, keyword("preceded")), value(Side::Followed, keyword("followed"))));
    let filter = delimited(mark("("), condition, mark(")"));
    let (rest, (side, _, filter)) = if unless.is_some() {
        cut((side, keyword("by"), filter)).parse(rest)?
    } else {
        let (rest, side) = side.parse(rest)?;
        let (rest, (by, filter)) = cut((keyword("by"), filter)).parse(rest)?;
        (rest, (side, by, filter))
    };
    let (mut rest, mut within) = (rest, Vec::new());
    if let Ok((after, _)) = keyword("within").parse(rest) {
        let (after, first) = cut(near).parse(after)?;
        within.push(first);
        rest = after;
        while let Ok((after, _)) = keyword("and").parse(rest) {
            let (after, more) = cut(near).parse(after)?;
            within.push(more);
            rest = after;
        }
    }
    let (rest, strictly) = opt(keyword("strictly")).parse(rest)?;
    if let Some(next) = rest.first() {
        let failure = if next.text == "within" || next.text == "and" {
            let help = match strictly {
                Some(_) => "`strictly` stands last: within run strictly",
                None => "`within` stands once: within run and 7d",
            };
            Failure::expected(rest, "the end").help(help)
        } else {
            Failure::expected(
                rest,
                if within.is_empty() {
                    "`within`, `strictly` or the end"
                } else {
                    "`and`, `strictly` or the end"
                },
            )
        };
        return Err(Err::Failure(failure));
    }
    Ok((rest, Beside { unless: unless.is_some(), side, filter, within, strictly: strictly.is_some() }))
}

/// A field that must be shared, or the longest time between.
fn near<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<Within>> {
    let (rest, word) = any(Kind::Word, "a field such as run, or a duration such as 7d").parse(input)?;
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok((rest, Spanned::new(Within::Duration(word.node.to_owned()), word.span)));
    }
    let (rest, field) = field(input)?;
    Ok((rest, Spanned::new(Within::Field(field.node), field.span)))
}
