//! Fields, values and what is computed of them.

use nom::branch::alt;
use nom::combinator::{cut, map, opt};
use nom::multi::separated_list1;
use nom::sequence::{delimited, preceded};
use nom::{Err, Parser};

use super::input::{Failure, Parsed, Tokens, any, keyword, mark};
use crate::ast::{Aggregate, Expression, FieldRef, Function, Named, Operand};
use crate::lexer::Kind;
use crate::span::Spanned;
use crate::words::{FUNCTIONS, RESERVED, nearest};

/// A value: a word, a text in quotes or a parameter.
pub(super) fn operand<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<Operand>> {
    if let Some(token) = input.first()
        && token.kind == Kind::Word
        && RESERVED.contains(&token.text)
    {
        let help = format!("for the word itself write \"{}\"", token.text);
        return Err(Err::Error(Failure::expected(input, "a value").help(help)));
    }
    alt((
        map(word_with_parts, |word| Spanned::new(Operand::Word(word.node), word.span)),
        map(text, |text| Spanned::new(Operand::Text(text.node), text.span)),
        map(any(Kind::Param, "a value"), |param| {
            Spanned::new(Operand::Param(param.trim_start_matches('$').to_owned()), param.span)
        }),
    ))
    .parse(input)
}

/// A word, and what stands in parentheses right behind it: ids such as `HIPAA:164.312(a)(1)` are one value.
fn word_with_parts<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<String>> {
    let (mut rest, first) = any(Kind::Word, "a value").parse(input)?;
    let mut word = Spanned::new(first.node.to_owned(), first.span);
    while let Ok((after, (open, part, close))) = (mark("("), any(Kind::Word, "a part"), mark(")")).parse(rest)
        && (word.span.end, open.end, part.span.end) == (open.start, part.span.start, close.start)
    {
        word.node = format!("{}({})", word.node, part.node);
        word.span = word.span.to(close);
        rest = after;
    }
    Ok((rest, word))
}

/// A text in quotes, by the rules of JSON.
pub(super) fn text<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<String>> {
    let (rest, token) = any(Kind::Text, "a value").parse(input)?;
    match unescape(token.node) {
        Some(text) => Ok((rest, Spanned::new(text, token.span))),
        None => {
            Err(Err::Failure(Failure::message(input, "a backslash here is no escape of JSON").help(
                r#"write \\ for a backslash, \" for a quote, \n for a new line, \u00e9 for a character"#,
            )))
        }
    }
}

/// What a text in quotes means. A line may end inside of it, as JSON would not have it.
fn unescape(quoted: &str) -> Option<String> {
    let one_line = quoted.replace('\n', r"\n").replace('\r', r"\r").replace('\t', r"\t");
    serde_json::from_str(&one_line).ok()
}

/// A regular expression in quotes: a backslash is the expression's own, but before a quote.
pub(super) fn pattern<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<String>> {
    let (rest, token) = any(Kind::Text, "a regular expression in quotes").parse(input)?;
    let inside = token.node.get(1..token.node.len() - 1).unwrap_or_default();
    let (mut pattern, mut chars) = (String::new(), inside.chars().peekable());
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('"')) => {}
            ('\\', Some(&next)) => {
                pattern.extend([c, next]);
                chars.next();
            }
            _ => pattern.push(c),
        }
    }
    Ok((rest, Spanned::new(pattern, token.span)))
}

/// A field or column: a name, or a JSON path, which a leading dot makes sure of.
pub(super) fn field<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<FieldRef>> {
    let (rest, word) = any(Kind::Word, "a field").parse(input)?;
    match field_ref(word.node) {
        Ok(field) => Ok((rest, Spanned::new(field, word.span))),
        Err(reason) => Err(Err::Error(Failure::message(input, reason))),
    }
}

fn field_ref(word: &str) -> Result<FieldRef, String> {
    let (is_path, path) = match word.strip_prefix('.') {
        Some(path) => (true, path),
        None => (word.contains(['.', '[']), word),
    };
    if is_path {
        return path.parse().map(FieldRef::Path).map_err(|_| format!("`{word}` is no path in JSON"));
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '@');
    let starts = word.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '@'));
    if starts && word.chars().all(is_name) {
        Ok(FieldRef::Name(word.to_owned()))
    } else {
        Err(format!("`{word}` is no name of a field"))
    }
}

/// A value of a row: a field, a difference, a bin, or what `stats` said.
pub(super) fn expression<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<Expression>> {
    let (rest, expression) = match input.peek(1) {
        Some(next) if next.text == "(" && next.kind == Kind::Mark => {
            alt((bin, map(aggregate, Expression::Aggregate))).parse(input)?
        }
        _ => {
            let (rest, (first, second)) = (field, opt(preceded(keyword("-"), cut(field)))).parse(input)?;
            let expression = match second {
                Some(second) => Expression::Difference(first.node, second.node),
                None => Expression::Field(first.node),
            };
            (rest, expression)
        }
    };
    Ok((rest, Spanned::new(expression, input.span().to(input.span_before(&rest)))))
}

fn bin<'q>(input: Tokens<'q>) -> Parsed<'q, Expression> {
    let inside = (field, preceded(mark(","), any(Kind::Word, "a duration such as 1h")));
    let (rest, (field, width)) =
        preceded(keyword("bin"), cut(delimited(mark("("), inside, mark(")")))).parse(input)?;
    Ok((rest, Expression::Bin(field.node, Spanned::new(width.node.to_owned(), width.span))))
}

/// `count()`, `sum(tokens)` and the like.
pub(super) fn aggregate<'q>(input: Tokens<'q>) -> Parsed<'q, Aggregate> {
    let what = "a function such as count() or sum(tokens)";
    let (rest, name) = any(Kind::Word, what).parse(input)?;
    let Some(function) = Function::of(name.node) else {
        let is_call = rest.first().is_some_and(|next| next.text == "(");
        let failure = Failure::expected(input, what);
        return Err(if is_call {
            let failure = Failure::message(input, format!("there is no function `{}`", name.node));
            let help = format!("there are {}", FUNCTIONS.join(", "));
            let known = FUNCTIONS.into_iter().chain(["exists", "unreadable", "bin"]);
            Err::Failure(match nearest(name.node, known) {
                Some(word) => failure.meant(Some(word)),
                None => failure.help(help),
            })
        } else {
            Err::Error(failure)
        });
    };
    if function == Function::Count {
        let (rest, _) = cut((mark("("), mark(")"))).parse(rest)?;
        return Ok((rest, Aggregate { function, of: None }));
    }
    let (rest, of) = cut(delimited(mark("("), plain_expression, mark(")"))).parse(rest)?;
    Ok((rest, Aggregate { function, of: Some(Box::new(of.node)) }))
}

/// An expression of one row alone.
pub(super) fn plain_expression<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<Expression>> {
    let (rest, found) = expression(input)?;
    match found.node {
        Expression::Aggregate(_) => Err(Err::Failure(Failure::expected(
            input,
            "a field, or a difference of two such as approved_at - ts",
        ))),
        _ => Ok((rest, found)),
    }
}

/// Several, between commas.
pub(super) fn list<'q, T>(
    item: impl FnMut(Tokens<'q>) -> Parsed<'q, T>,
) -> impl Parser<Tokens<'q>, Output = Vec<T>, Error = Failure> {
    let mut item = item;
    move |input: Tokens<'q>| {
        let (mut rest, first) = item(input)?;
        let mut items = vec![first];
        while let Ok((after, _)) = mark(",").parse(rest) {
            let (next, more) = cut(&mut item).parse(after)?;
            items.push(more);
            rest = next;
        }
        Ok((rest, items))
    }
}

/// Something and perhaps a name for it.
pub(super) fn named<'q, T>(
    item: impl FnMut(Tokens<'q>) -> Parsed<'q, Spanned<T>>,
) -> impl FnMut(Tokens<'q>) -> Parsed<'q, Named<T>> {
    let mut item = item;
    move |input: Tokens<'q>| {
        let (rest, node) = item(input)?;
        let (rest, name) = opt(preceded(keyword("as"), cut(column_name))).parse(rest)?;
        Ok((rest, Named { node, name }))
    }
}

fn column_name<'q>(input: Tokens<'q>) -> Parsed<'q, Spanned<String>> {
    let (rest, word) = any(Kind::Word, "a name").parse(input)?;
    match field_ref(word.node) {
        Ok(FieldRef::Name(name)) => Ok((rest, Spanned::new(name, word.span))),
        _ => Err(Err::Error(Failure::expected(input, "a name of letters, digits and _"))),
    }
}

/// Values between parentheses.
pub(super) fn operands<'q>(input: Tokens<'q>) -> Parsed<'q, Vec<Spanned<Operand>>> {
    delimited(mark("("), separated_list1(mark(","), operand), mark(")")).parse(input)
}

impl Function {
    /// The function of this name.
    pub(crate) fn of(name: &str) -> Option<Function> {
        Some(match name {
            "count" => Function::Count,
            "sum" => Function::Sum,
            "avg" => Function::Avg,
            "min" => Function::Min,
            "max" => Function::Max,
            "p50" => Function::Percentile(50),
            "p95" => Function::Percentile(95),
            "p99" => Function::Percentile(99),
            "distinct" => Function::Distinct,
            _ => return None,
        })
    }
}
