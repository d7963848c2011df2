//! Conditions: `or` binds least, then `and`, which conditions side by side mean too, then `not`.

use indelible_engine::filter::Comparison;
use nom::branch::alt;
use nom::combinator::{cut, map, opt, value};
use nom::multi::many0_count;
use nom::sequence::{delimited, preceded};
use nom::{Err, Parser};

use super::expression::{expression, operand, operands, pattern, plain_expression};
use super::input::{Failure, Parsed, Tokens, keyword, mark};
use crate::ast::{Condition, Operand, Period, Test};
use crate::lexer::{Kind, Token};
use crate::span::Spanned;
use crate::words::{FUNCTIONS, RESERVED};

const CONDITION: &str = "a condition";

/// Conditions of which at least one holds.
pub(super) fn condition<'q>(input: Tokens<'q>) -> Parsed<'q, Condition> {
    let (mut rest, first) = conjunction(input)?;
    let mut any = Vec::new();
    push_flat(&mut any, first, false);
    while let Ok((after, _)) = keyword("or").parse(rest) {
        let (next, more) = cut(conjunction).parse(after)?;
        push_flat(&mut any, more, false);
        rest = next;
    }
    Ok((rest, if any.len() == 1 { any.swap_remove(0) } else { Condition::Any(any) }))
}

/// Conditions side by side, or with `and` between them.
fn conjunction<'q>(input: Tokens<'q>) -> Parsed<'q, Condition> {
    let (mut rest, first) = negation(input)?;
    let mut all = Vec::new();
    push_flat(&mut all, first, true);
    loop {
        let next = match rest.first() {
            None => break,
            Some(token) if token.text == ")" || matches!(token.text, "or" | "where") => break,
            Some(token) if token.text == "and" && token.kind == Kind::Word => {
                let (after, _) = keyword("and").parse(rest)?;
                cut(negation).parse(after)?
            }
            Some(_) => negation(rest)?,
        };
        push_flat(&mut all, next.1, true);
        rest = next.0;
    }
    Ok((rest, if all.len() == 1 { all.swap_remove(0) } else { Condition::All(all) }))
}

/// What is nested in its like is laid flat: parentheses there mean nothing.
fn push_flat(list: &mut Vec<Condition>, condition: Condition, all: bool) {
    match condition {
        Condition::All(more) if all => list.extend(more),
        Condition::Any(more) if !all => list.extend(more),
        one => list.push(one),
    }
}

fn negation<'q>(input: Tokens<'q>) -> Parsed<'q, Condition> {
    let (rest, count) = many0_count(keyword("not")).parse(input)?;
    if count > 2 {
        return Err(Err::Failure(Failure::message(input, "`not` more than twice in a row")));
    }
    let (rest, condition) = if count > 0 { cut(one).parse(rest)? } else { one(rest)? };
    Ok((rest, (0..count).fold(condition, |condition, _| Condition::Not(Box::new(condition)))))
}

fn one<'q>(input: Tokens<'q>) -> Parsed<'q, Condition> {
    if let Ok((rest, _)) = mark("(").parse(input) {
        return map(cut((condition, mark(")"))), |(condition, _)| condition).parse(rest);
    }
    alt((call, time, test, text)).parse(input)
}

/// `exists(…)` and `unreadable(…)`.
fn call<'q>(input: Tokens<'q>) -> Parsed<'q, Condition> {
    if input.peek(1).is_none_or(|next| next.text != "(") {
        return Err(Err::Error(Failure::expected(input, CONDITION)));
    }
    let asked = alt((value(Test::Exists, keyword("exists")), value(Test::Unreadable, keyword("unreadable"))));
    let field = cut(delimited(mark("("), plain_expression, mark(")")));
    map((asked, field), |(test, field)| Condition::Test(field, test)).parse(input)
}

/// `since …` and the other words for time.
fn time<'q>(input: Tokens<'q>) -> Parsed<'q, Condition> {
    let time =
        |what| move |input| operand(input).map_err(|error| error.map(|_| Failure::expected(input, what)));
    let point = "a time such as 2026-04-01 or 24h";
    let period = alt((
        map(preceded(keyword("since"), cut(time(point))), Period::Since),
        map(preceded(keyword("until"), cut(time(point))), Period::Until),
        map(
            preceded(keyword("between"), cut((time(point), preceded(keyword("and"), time(point))))),
            |(from, until)| Period::Between(from, until),
        ),
        map(
            preceded(keyword("during"), cut(time("a period such as 2026-Q1, 2026-04 or 2026-04-01"))),
            Period::During,
        ),
    ));
    let (rest, (received, period)) =
        (opt(keyword("received")), period).parse(input).map_err(|error| match error {
            // What follows `received` may be a comparison.
            Err::Error(_) => Err::Error(Failure::expected(input, CONDITION)),
            other => other,
        })?;
    Ok((rest, Condition::Time { received: received.is_some(), period }))
}

/// A field and what is asked of it.
fn test<'q>(input: Tokens<'q>) -> Parsed<'q, Condition> {
    // Without an operator behind it a word is searched for in the text, whatever it looks like.
    let is_call = is_call(input);
    let is_tested = input.peek(1).is_some_and(is_operator)
        || input.peek(1).is_some_and(|next| next.text == "-") && input.peek(3).is_some_and(is_operator);
    if !is_call && !is_tested || input.first().is_none_or(|first| first.kind != Kind::Word) {
        return Err(Err::Error(Failure::expected(input, CONDITION)));
    }
    let (rest, (left, test)) = (cut(expression), cut(operator)).parse(input)?;
    Ok((rest, Condition::Test(left, test)))
}

/// Whether this is a function's name and what it is of: a word that searches the text may stand before a group too, but
/// not without a space.
fn is_call(input: Tokens<'_>) -> bool {
    let (Some(name), Some(next)) = (input.first(), input.peek(1)) else { return false };
    let is_known = FUNCTIONS.contains(&name.text) || name.text == "bin";
    let is_name = name.text.starts_with(char::is_alphabetic);
    next.text == "(" && (is_known || is_name && name.span.end == next.span.start)
}

fn is_operator(token: Token<'_>) -> bool {
    match token.kind {
        Kind::Mark => matches!(token.text, "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"),
        Kind::Word => token.text == "in",
        Kind::Text | Kind::Param => false,
    }
}

fn operator<'q>(input: Tokens<'q>) -> Parsed<'q, Test> {
    let comparison = alt((
        value(Comparison::LessOrEqual, mark("<=")),
        value(Comparison::Less, mark("<")),
        value(Comparison::GreaterOrEqual, mark(">=")),
        value(Comparison::Greater, mark(">")),
    ));
    alt((
        map(preceded(mark("="), cut(right_side)), Test::Equals),
        map(preceded(mark("!="), cut(right_side)), Test::Differs),
        map(preceded(keyword("in"), cut(operands)), Test::In),
        map(preceded(mark("~"), cut(pattern)), Test::Matches),
        map((comparison, cut(right_side)), |(comparison, operand)| Test::Compare(comparison, operand)),
    ))
    .parse(input)
}

fn right_side<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<Operand>> {
    match input.first() {
        Some(token) if token.kind == Kind::Mark && token.text == "=" => {
            Err(Err::Error(Failure::expected(input, "a value").help("one = compares")))
        }
        Some(token) if token.kind == Kind::Mark && token.text == ">" => {
            Err(Err::Error(Failure::expected(input, "a value").help("write != for another value")))
        }
        Some(token) if token.text == "(" => {
            Err(Err::Error(Failure::expected(input, "a value").help("several values stand behind `in`")))
        }
        _ => operand(input),
    }
}

/// A word or phrase that the event's text has in it.
fn text<'q>(input: Tokens<'q>) -> Parsed<'q, Condition> {
    let Some(token) = input.first() else { return Err(Err::Error(Failure::expected(input, CONDITION))) };
    let lower = token.text.to_lowercase();
    if token.kind == Kind::Word && RESERVED.contains(&lower.as_str()) {
        let failure = Failure::expected(input, CONDITION);
        return Err(Err::Error(if lower == token.text {
            failure.help(format!("to search for the word itself, write \"{}\"", token.text))
        } else {
            failure.help(format!("write `{lower}`, or \"{}\" to search for the word", token.text))
        }));
    }
    if token.kind == Kind::Word && token.text.contains('*') {
        let failure = Failure::message(input, "a search of the text takes no `*`");
        return Err(Err::Error(failure.help(
            "leave it out, for words are found inside of others; or name a field: kind = deploy*; or write text ~ \"…\"",
        )));
    }
    let (rest, operand) = operand(input).map_err(|error| match error {
        Err::Error(_) => Err::Error(Failure::expected(input, CONDITION)),
        other => other,
    })?;
    let span = operand.span;
    // A word to search for is a text: quotes make no difference here.
    let text = match operand.node {
        Operand::Word(text) | Operand::Text(text) => Operand::Text(text),
        param @ Operand::Param(_) => param,
    };
    Ok((rest, Condition::Text(Spanned::new(text, span))))
}

/// All conditions of a query: those before `where`, and those after it.
pub(super) fn conditions<'q>(input: Tokens<'q>) -> Parsed<'q, Vec<Condition>> {
    let mut all = Vec::new();
    let mut rest = input;
    if rest.first().is_some_and(|token| token.text != "where") {
        let (after, condition) = condition(rest)?;
        push_flat(&mut all, condition, true);
        rest = after;
    }
    while let Ok((after, _)) = keyword("where").parse(rest) {
        let (after, condition) = cut(condition).parse(after)?;
        push_flat(&mut all, condition, true);
        rest = after;
    }
    if let Some(token) = rest.first()
        && token.text == ")"
    {
        return Err(Err::Failure(Failure::message(rest, "this parenthesis was never opened")));
    }
    Ok((rest, all))
}
