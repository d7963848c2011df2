//! Which field, path or column a name means.

use indelible_engine::filter::Field;

use super::Resolver;
use crate::ast::{Expression, FieldRef};
use crate::error::Problem;
use crate::plan::{Builtin, Expr, Shape, Source};
use crate::span::{Span, Spanned};
use crate::time;
use crate::words::nearest;

impl Resolver<'_> {
    /// What an expression means on rows of this shape. What it cannot mean is complained about.
    pub(super) fn expression(&mut self, expression: &Spanned<Expression>, shape: &Shape) -> Option<Expr> {
        let span = expression.span;
        // What a stage before computed is there already, and what it was computed of may not be.
        let is_computed = !matches!(expression.node, Expression::Field(_));
        if is_computed && let Some(column) = shape.find(&expression.node.to_string()) {
            return Some(Expr::Source(Source::Column(column)));
        }
        match &expression.node {
            Expression::Field(field) => self.source(field, span, shape).map(Expr::Source),
            Expression::Difference(of, less) => {
                let (of, less) = (self.source(of, span, shape), self.source(less, span, shape));
                Some(Expr::Difference(of?, less?))
            }
            Expression::Bin(field, width) => {
                let source = self.source(field, span, shape);
                match time::duration(width).filter(|width| *width > 0) {
                    Some(width) => Some(Expr::Bin(source?, width)),
                    None => {
                        let message = format!("`{}` is no duration such as 1h or 7d", width.node);
                        self.problems.push(Problem::new(width.span, message));
                        None
                    }
                }
            }
            Expression::Aggregate(aggregate) => {
                let problem = Problem::new(span, format!("there is no column `{aggregate}` here"));
                let help = if shape.events { "say it with `stats` first" } else { "add it to `stats`" };
                self.problems.push(problem.help(help));
                None
            }
        }
    }

    /// Where the values of a field are found.
    pub(super) fn source(&mut self, field: &FieldRef, span: Span, shape: &Shape) -> Option<Source> {
        let bare = match field {
            FieldRef::Name(name) => name.clone(),
            FieldRef::Path(path) => path.to_string(),
        };
        let is_path_of_event = shape.events && is_one_key(field);
        if let Some(column) = shape.find(&bare).filter(|_| !is_path_of_event) {
            return Some(Source::Column(column));
        }
        if !shape.events {
            let columns = shape.columns.iter().map(|column| column.name.as_str());
            let known: Vec<&str> = columns.collect();
            let problem = Problem::new(span, format!("there is no column `{bare}` here"));
            self.problems.push(match nearest(&bare, known.iter().copied()) {
                Some(word) => problem.help(format!("did you mean `{word}`?")),
                None => problem.help(format!("there are {}", known.join(", "))),
            });
            return None;
        }
        let source = match field {
            FieldRef::Path(path) => Source::Path(path.clone()),
            FieldRef::Name(name) => match Builtin::of(name) {
                Some(builtin) => return Some(Source::Builtin(builtin)),
                None if self.setting.vocabulary.knows(name) => Source::Name(name.clone()),
                None => match name.parse() {
                    Ok(path) => Source::Path(path),
                    Err(_) => {
                        self.problems.push(Problem::new(span, format!("`{name}` is no name of a field")));
                        return None;
                    }
                },
            },
        };
        if !self.fields.contains(&source) {
            self.fields.push(source.clone());
        }
        Some(source)
    }
}

/// Whether this is a path of one key: what a leading dot before a name makes.
fn is_one_key(field: &FieldRef) -> bool {
    matches!(field, FieldRef::Path(path) if !path.to_string().contains(['.', '[']))
}

impl Source {
    /// The field that filters call so.
    pub(crate) fn field(&self) -> Option<Field> {
        match self {
            Source::Name(name) => Some(Field::Name(name.clone())),
            Source::Path(path) => Some(Field::Path(path.clone())),
            Source::Builtin(_) | Source::Column(_) => None,
        }
    }
}
