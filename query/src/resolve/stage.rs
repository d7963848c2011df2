//! Stages: what each does with rows of one shape, and what shape it leaves.

use super::Resolver;
use super::quantity::names_unit;
use crate::ast::{Aggregate, Beside, Expression, FieldRef, Function, Named, Stage, Within};
use crate::error::Problem;
use crate::plan::{BesidePlan, Column, Expr, Shape, StepKind};
use crate::span::{Span, Spanned};
use crate::time;

impl Resolver<'_> {
    /// What a stage does; `shape` becomes that of the rows that it gives.
    ///
    /// `later` are the stages behind it.
    pub(super) fn stage(
        &mut self,
        stage: &Spanned<Stage>,
        later: &[Spanned<Stage>],
        shape: &mut Shape,
    ) -> StepKind {
        match &stage.node {
            Stage::Where(condition) => StepKind::Where(self.condition(condition, shape)),
            Stage::Fields(columns) => {
                let exprs = self.keys(columns, shape);
                *shape = self.table(columns.iter().map(|key| column(key, shape)));
                StepKind::Fields(exprs)
            }
            Stage::Sort(keys) => {
                let keys = keys
                    .iter()
                    .filter_map(|key| Some((self.expression(&key.by, shape)?, key.descending)))
                    .collect();
                StepKind::Sort(keys)
            }
            Stage::Limit(count) => StepKind::Limit(*count),
            Stage::Tail(count) => StepKind::Tail(*count),
            Stage::Sample(count, seed) => StepKind::Sample { count: *count, seed: *seed },
            Stage::Count(by) => {
                let keys = self.keys(by, shape);
                let count = Column { name: "count".to_owned(), alias: Some("count()".to_owned()), of: None };
                *shape = self.table(by.iter().map(|key| column(key, shape)).chain([(count, stage.span)]));
                StepKind::Group { keys, aggregates: vec![(crate::ast::Function::Count, None)] }
            }
            Stage::Stats(aggregates, by) => {
                let keys = self.keys(by, shape);
                let found = aggregates.iter().map(|aggregate| {
                    let of = aggregate.node.of.as_deref().map(|of| {
                        let of = Spanned::new(of.clone(), aggregate.node.span);
                        self.expression(&of, shape)
                    });
                    Some((aggregate.node.function, of.map_or(Some(None), |of| of.map(Some))?))
                });
                let found: Vec<_> = found.collect();
                let columns =
                    aggregates.iter().map(|aggregate| aggregate_column(aggregate, aggregates, shape));
                *shape = self.table(by.iter().map(|key| column(key, shape)).chain(columns));
                StepKind::Group { keys, aggregates: found.into_iter().flatten().collect() }
            }
            Stage::Distinct(columns) => {
                let exprs = self.keys(columns, shape);
                *shape = self.table(columns.iter().map(|key| column(key, shape)));
                StepKind::Distinct(exprs)
            }
            Stage::First(by) => StepKind::First(self.plain_keys(by, shape)),
            Stage::Last(by) => StepKind::Last(self.plain_keys(by, shape)),
            Stage::Beside(beside) => self.beside(beside, stage.span, later, shape),
        }
    }

    fn keys(&mut self, keys: &[Named<Expression>], shape: &Shape) -> Vec<Expr> {
        keys.iter().filter_map(|key| self.expression(&key.node, shape)).collect()
    }

    fn plain_keys(&mut self, keys: &[Spanned<Expression>], shape: &Shape) -> Vec<Expr> {
        keys.iter().filter_map(|key| self.expression(key, shape)).collect()
    }

    /// The shape of a table with these columns, each of another name.
    fn table(&mut self, columns: impl Iterator<Item = (Column, Span)>) -> Shape {
        let mut shape = Shape::default();
        for (column, span) in columns {
            if shape.columns.iter().any(|known| known.name == column.name) {
                let problem = Problem::new(span, format!("two columns are called `{}`", column.name));
                self.problems.push(problem.help("give one of them a name of its own with `as`"));
            }
            shape.columns.push(column);
        }
        shape
    }

    fn beside(
        &mut self,
        beside: &Beside,
        span: Span,
        later: &[Spanned<Stage>],
        shape: &mut Shape,
    ) -> StepKind {
        if !shape.events {
            let problem =
                Problem::new(span, "these rows are no events, so nothing stands before or after them");
            self.problems
                .push(problem.help("put this stage before `fields`, `count`, `stats` and `distinct`"));
        }
        let others = Shape::events();
        let asked_of_rows = self.fields.len();
        // Whether the rows or the events beside them are the store's own is asked of each alone.
        let rows_name_store = std::mem::take(&mut self.names_store);
        let (filter, rest) = self.condition(&beside.filter, &others).split();
        let names_store = std::mem::replace(&mut self.names_store, rows_name_store);
        let filter = if names_store { filter } else { self.without_store(filter) };
        let (mut keys, mut longest) = (Vec::new(), None);
        for within in &beside.within {
            match &within.node {
                Within::Field(field) => keys.extend(self.source(field, within.span, &others)),
                Within::Duration(text) => match time::duration(text) {
                    Some(duration) => {
                        longest = Some(longest.map_or(duration, |known: i128| known.min(duration)))
                    }
                    None => {
                        let message = format!("`{text}` is no duration such as 7d or 90m");
                        self.problems.push(Problem::new(within.span, message));
                    }
                },
            }
        }
        let other =
            (!beside.unless).then(|| ["other.seq", "other.ts", "other.delay"].map(|name| shape.column(name)));
        let fetched = if beside.unless { Vec::new() } else { self.fetched(later, span, shape) };
        self.fields_beside.extend(self.fields.split_off(asked_of_rows));
        let emptied = other.map_or_else(Vec::new, |other| {
            let names = shape.columns.iter().map(|column| &*column.name);
            let of_other = (0..).zip(names).filter(|(_, name)| name.starts_with("other.")).map(|(at, _)| at);
            let is_set = |at: &usize| other.contains(at) || fetched.iter().any(|(_, column)| column == at);
            of_other.filter(|at| !is_set(at)).collect()
        });
        StepKind::Beside(Box::new(BesidePlan {
            unless: beside.unless,
            side: beside.side,
            filter,
            rest,
            keys,
            within: longest,
            strictly: beside.strictly,
            other,
            fetched,
            emptied,
            disputed: shape.column("disputed"),
        }))
    }
}

impl Resolver<'_> {
    /// What is read of the other event beyond its seq and time, and the columns that get it.
    fn fetched(&mut self, later: &[Spanned<Stage>], span: Span, shape: &mut Shape) -> Vec<(Expr, usize)> {
        let mut fetched = Vec::new();
        for name in asked_of_other(later) {
            if ["seq", "ts", "delay"].contains(&name.as_str()) {
                continue;
            }
            let field = match name.parse() {
                Ok(path) if name.contains(['.', '[']) => FieldRef::Path(path),
                _ => FieldRef::Name(name.clone()),
            };
            if let Some(source) = self.source(&field, span, &Shape::events()) {
                fetched.push((Expr::Source(source), shape.column(&format!("other.{name}"))));
            }
        }
        fetched
    }
}

/// The fields of the other event that later stages ask for, by the names that they give them.
fn asked_of_other(later: &[Spanned<Stage>]) -> Vec<String> {
    let mut names = Vec::new();
    for stage in later {
        stage.each_field(&mut |field| {
            if let FieldRef::Path(path) = field
                && let Some(name) = path.to_string().strip_prefix("other.")
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
        });
        if matches!(stage.node, Stage::Beside(_)) {
            break;
        }
    }
    names
}

/// The column that an expression on rows of this shape makes.
fn column(named: &Named<Expression>, shape: &Shape) -> (Column, Span) {
    let written = named.node.node.to_string();
    let (own, alias) = match &named.node.node {
        Expression::Field(_) => (written.trim_start_matches('.').to_owned(), None),
        _ => (written.clone(), Some(written)),
    };
    let of = Some(shape.counted(&named.node.node));
    match &named.name {
        Some(name) => (Column { name: name.node.clone(), alias, of }, name.span),
        None => (Column { name: own, alias, of }, named.node.span),
    }
}

/// The column of an aggregate: it is called by its function alone where no other one is the same.
fn aggregate_column(aggregate: &Named<Aggregate>, all: &[Named<Aggregate>], shape: &Shape) -> (Column, Span) {
    let whole = aggregate.node.node.to_string();
    let function = aggregate.node.function;
    let same = all.iter().filter(|other| other.name.is_none() && other.node.function == function);
    let name = match &aggregate.name {
        Some(name) => name.node.clone(),
        None if same.count() == 1 => function.to_string(),
        None => whole.clone(),
    };
    // How many there are is counted in no unit.
    let counts = matches!(function, Function::Count | Function::Distinct);
    let of = aggregate.node.of.as_ref().filter(|_| !counts).map(|of| shape.counted(of));
    (Column { name, alias: Some(whole), of }, aggregate.node.span)
}

impl Shape {
    /// The name that says what the values of an expression on such rows count.
    pub(super) fn counted(&self, expression: &Expression) -> String {
        let written = expression.to_string();
        let column = self.find(written.trim_start_matches('.')).and_then(|place| self.columns.get(place));
        match column.and_then(|column| column.of.clone()) {
            Some(of) if !names_unit(&written) => of,
            _ => written,
        }
    }
}
