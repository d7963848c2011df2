//! The words that a query begins with, and the conditions behind them.

use nom::combinator::{cut, map, opt};
use nom::sequence::preceded;
use nom::{Err, Parser};

use super::condition::conditions;
use super::expression::{list, operand};
use super::input::{Failure, Parsed, Tokens, any, keyword, number, plain_number};
use crate::ast::{Condition, Head};
use crate::lexer::Kind;
use crate::span::Spanned;

/// What stands before the first `|`.
pub(super) fn head<'q>(input: Tokens<'q>) -> Parsed<'q, (bool, Head, Vec<Condition>)> {
    let (rest, explain) = opt(explain).parse(input)?;
    let first = rest.first().filter(|token| token.kind == Kind::Word).map(|token| token.text);
    // `event = x` and the like are conditions on a field of that name.
    let is_condition =
        rest.peek(1).is_some_and(|next| next.kind == Kind::Mark && next.text != "(" || next.text == "in");
    let (rest, head) = match first {
        Some("timeline") if !is_condition => timeline(rest)?,
        Some("control") if !is_condition => map(
            preceded(keyword("control"), cut(list(value("a control id such as SOC2:CC6.1")))),
            Head::Control,
        )
        .parse(rest)?,
        Some("controls") if !is_condition => {
            let framework = preceded(keyword("framework"), cut(value("a framework such as SOC2")));
            map(preceded(keyword("controls"), opt(framework)), Head::Controls).parse(rest)?
        }
        Some("event") if !is_condition => {
            map(preceded(keyword("event"), cut(list(value("an event id")))), Head::Event).parse(rest)?
        }
        Some("seq") if !is_condition => preceded(keyword("seq"), cut(seqs)).parse(rest)?,
        Some("around") if !is_condition => preceded(keyword("around"), cut(around)).parse(rest)?,
        _ => (rest, Head::Conditions),
    };
    if head != Head::Conditions && rest.first().is_some_and(|next| next.text == "and") {
        let failure = Failure::expected(rest, "`where` or a condition");
        return Err(Err::Failure(failure.help("write `where` instead of `and`")));
    }
    let (rest, conditions) = conditions(rest)?;
    Ok((rest, (explain.is_some(), head, conditions)))
}

fn explain<'q>(input: Tokens<'q>) -> Parsed<'q, ()> {
    let is_field = input.peek(1).is_some_and(|next| next.kind == Kind::Mark && next.text != "(");
    if is_field {
        return Err(Err::Error(Failure::expected(input, "a condition")));
    }
    map(keyword("explain"), |_| ()).parse(input)
}

fn value<'q>(what: &'static str) -> impl FnMut(Tokens<'q>) -> Parsed<'q, Spanned<crate::ast::Operand>> {
    move |input| match operand(input) {
        Err(Err::Error(_)) => Err(Err::Error(Failure::expected(input, what))),
        other => other,
    }
}

fn timeline<'q>(input: Tokens<'q>) -> Parsed<'q, Head> {
    let what = "a field such as run or agent";
    let field = map(any(Kind::Word, what), |word| Spanned::new(word.node.to_owned(), word.span));
    let rest = (field, value("the value whose timeline is asked for"));
    map(preceded(keyword("timeline"), cut(rest)), |(field, value)| Head::Timeline(field, value)).parse(input)
}

/// `A..B`, `A..`, `..B` or `A`.
fn seqs<'q>(input: Tokens<'q>) -> Parsed<'q, Head> {
    let what = "a range of seqs such as 100..200";
    let (rest, word) = any(Kind::Word, what).parse(input)?;
    if rest.first().is_some_and(|next| next.text.starts_with("..")) || goes_on(&word, rest) {
        let failure = Failure::message(rest, "a range of seqs is one word");
        return Err(Err::Failure(failure.help("write 100..200, without spaces")));
    }
    let end = |text: &str| match text {
        "" => Some(None),
        _ => plain_number(text).map(Some),
    };
    let seqs = match word.split_once("..") {
        None => plain_number(word.node).map(|seq| (Some(seq), Some(seq))),
        Some((from, until)) => end(from).zip(end(until)),
    };
    match seqs {
        Some((Some(from), Some(until))) if from > until => {
            Err(Err::Error(Failure::message(input, "this range ends before it begins")))
        }
        Some((from, until)) => Ok((rest, Head::Seq(from, until))),
        None => Err(Err::Error(Failure::expected(input, what))),
    }
}

/// Whether a range that has no end has one behind a space.
fn goes_on(range: &str, rest: Tokens<'_>) -> bool {
    range.ends_with("..") && rest.first().is_some_and(|next| plain_number(next.text).is_some())
}

/// `SEQ ±COUNT`; `+-` is easier to type.
fn around<'q>(input: Tokens<'q>) -> Parsed<'q, Head> {
    let what = "how many on each side, such as ±10 or +-10";
    let (rest, seq) = number("a seq").parse(input)?;
    let (after, word) = any(Kind::Word, what).parse(rest)?;
    let Some(count) = word.strip_prefix('±').or_else(|| word.strip_prefix("+-")) else {
        return Err(Err::Error(Failure::expected(rest, what)));
    };
    if count.is_empty() {
        return map(number("a count"), |count| Head::Around(seq, count)).parse(after);
    }
    match plain_number(count) {
        Some(count) => Ok((after, Head::Around(seq, count))),
        None => Err(Err::Error(Failure::expected(rest, what))),
    }
}
