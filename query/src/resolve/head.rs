//! Heads: which records a query begins with, and in what order.

use std::ops::Range;

use indelible_engine::Seq;
use indelible_engine::filter::{Field, Filter, Test};

use super::Resolver;
use crate::ast::{Head, Operand, Query};
use crate::error::Problem;
use crate::plan::{Base, Shape, Source, Step, StepKind};
use crate::span::Spanned;
use crate::words::nearest;

impl Resolver<'_> {
    /// The search that a head asks for, of what matches `filter`.
    pub(super) fn head(
        &mut self,
        Query { head, conditions, .. }: &Query,
        filter: Filter,
        shape: &mut Shape,
    ) -> (Base, Vec<Step>) {
        let everywhere = 0..Seq::MAX;
        let search = |filter, seqs: Range<Seq>| (Base::Search(filter, seqs), Vec::new());
        match head {
            Head::Conditions => search(filter, everywhere),
            Head::Timeline(field, value) => {
                let of_value = self.timeline(field, value);
                let order = Step { text: "order by time".to_owned(), kind: StepKind::TimeOrder };
                (Base::Search(of_value.and(filter), everywhere), vec![order])
            }
            Head::Control(ids) => {
                let by = self.control(ids, &filter);
                let any = by.filter();
                let via = Step { text: "say by which".to_owned(), kind: StepKind::Via(Box::new(by)) };
                (Base::Search(any.and(filter), everywhere), vec![via])
            }
            Head::Controls(framework) => {
                let coverage = self.coverage(framework.as_ref(), conditions, filter);
                *shape = Shape::default();
                for name in ["control", "title", "events", "runs", "agents", "first", "last"] {
                    shape.column(name);
                }
                (Base::Coverage(Box::new(coverage)), Vec::new())
            }
            Head::Event(ids) => {
                let ids = ids.iter().map(|id| self.operand(id).0).collect();
                search(Filter::Ids(ids).and(filter), everywhere)
            }
            Head::Seq(from, until) => {
                let end = until.map_or(Seq::MAX - 1, |until| until.saturating_add(1));
                search(filter, from.unwrap_or(0)..end)
            }
            Head::Around(seq, count) => {
                let end = seq.saturating_add(*count).saturating_add(1).min(Seq::MAX - 1);
                search(filter, seq.saturating_sub(*count)..end)
            }
        }
    }

    fn timeline(&mut self, field: &Spanned<String>, value: &Spanned<Operand>) -> Filter {
        let vocabulary = self.setting.vocabulary;
        if !vocabulary.knows(&field.node) {
            let problem = Problem::new(field.span, format!("there is no field `{}`", field.node));
            let known: Vec<&str> = vocabulary.names().collect();
            self.problems.push(match nearest(&field.node, known.iter().copied()) {
                Some(word) => problem.help(format!("did you mean `{word}`?")),
                None => problem
                    .help(format!("a timeline is of a field that a profile names: {}", known.join(", "))),
            });
        }
        let source = Source::Name(field.node.clone());
        if !self.fields.contains(&source) {
            self.fields.push(source);
        }
        let named = Field::Name(field.node.clone());
        let value = self.field_value(&named, &field.node, value);
        Filter::Field(named, Test::Equals(vec![value]))
    }
}
