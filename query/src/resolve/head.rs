//! Heads: which records a query begins with, and in what order.

use std::ops::Range;

use indelible_engine::Seq;
use indelible_engine::filter::{Field, Filter, Glob, Test, Value};

use super::Resolver;
use super::condition::control;
use crate::ast::{Head, Operand};
use crate::controls::Control;
use crate::error::Problem;
use crate::plan::{Base, Shape, Source, Step, StepKind};
use crate::span::Spanned;
use crate::words::nearest;

impl Resolver<'_> {
    /// The search that a head asks for, of what matches `filter`.
    pub(super) fn head(&mut self, head: &Head, filter: Filter, shape: &mut Shape) -> (Base, Vec<Step>) {
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
                let by = self.control(ids);
                let any = Filter::Any(by.iter().map(|(_, filter)| filter.clone()).collect());
                let via = Step { text: "say by which".to_owned(), kind: StepKind::Via(by) };
                (Base::Search(any.and(filter), everywhere), vec![via])
            }
            Head::Controls(framework) => {
                let controls = self.coverage(framework.as_ref(), &filter);
                *shape = Shape::default();
                for name in ["control", "title", "events", "runs", "agents", "first", "last"] {
                    shape.column(name);
                }
                (Base::Coverage(controls), Vec::new())
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
        let value = self.value(&field.node, value);
        Filter::Field(Field::Name(field.node.clone()), Test::Equals(vec![value]))
    }

    /// By which of its labels, its own words and the mapping an event is evidence of one of these controls.
    fn control(&mut self, ids: &[Spanned<Operand>]) -> Vec<(&'static str, Filter)> {
        let mut values = Vec::new();
        let mut mapped: Vec<Filter> = Vec::new();
        let controls = self.setting.controls;
        let catalogue = controls.catalogue();
        let mut also =
            |filter: Option<Filter>| mapped.extend(filter.filter(|filter| !mapped.contains(filter)));
        for id in ids {
            let (text, is_word) = self.operand(id);
            let canonical = control(&text);
            if is_word && Glob::is_glob(&canonical) {
                let glob = Glob::new(&canonical);
                let matching = catalogue.iter().filter(|control| glob.matches(control.id.as_bytes()));
                matching.for_each(|control| also(controls.filter(&control.id)));
                values.push(Value::Word(canonical));
                continue;
            }
            // Evidence of a part is evidence of the whole.
            let family = controls.family(&text);
            match family.first() {
                Some(whole) => also(controls.filter(whole)),
                None => self.warn_of_control(&canonical, &catalogue),
            }
            let is_other = !family.contains(&canonical);
            values.extend(family.into_iter().chain(is_other.then_some(canonical)).map(Value::Text));
        }
        let is = |name: &str| Filter::Field(Field::Name(name.to_owned()), Test::Equals(values.clone()));
        vec![("label", is("label")), ("event", is("control")), ("mapping", Filter::Any(mapped))]
    }

    /// An id that the catalogue does not have may be misspelt.
    fn warn_of_control(&mut self, id: &str, catalogue: &[Control]) {
        if catalogue.is_empty() {
            return;
        }
        let meant = nearest(id, catalogue.iter().map(|control| control.id.as_str()))
            .map_or_else(String::new, |near| format!("; did you mean {near}?"));
        self.warnings.push(format!("the catalogue has no control {id}{meant}"));
    }

    /// Each control of the catalogue, and which records are evidence of it.
    fn coverage(&mut self, framework: Option<&Spanned<Operand>>, filter: &Filter) -> Vec<(Control, Filter)> {
        let catalogue = self.setting.controls.catalogue();
        let name_of = |control: &Control| control.framework().to_owned();
        let wanted = framework.map(|framework| {
            let (text, _) = self.operand(framework);
            // A framework alone is the first half of an id.
            let canonical = control(&format!("{text}:1"));
            let canonical = canonical.split(':').next().unwrap_or_default().to_owned();
            let mut known: Vec<String> = catalogue.iter().map(name_of).collect();
            known.dedup();
            if !known.contains(&canonical) && !self.setting.is_check {
                let problem = Problem::new(framework.span, format!("there is no framework `{text}`"));
                self.problems.push(match nearest(&canonical, known.iter().map(String::as_str)) {
                    Some(word) => problem.help(format!("did you mean `{word}`?")),
                    None if known.is_empty() => problem.help("there is no catalogue of controls here"),
                    None => problem.help(format!("there are {}", known.join(", "))),
                });
            }
            canonical
        });
        let chosen = catalogue
            .into_iter()
            .filter(|control| wanted.as_ref().is_none_or(|wanted| name_of(control) == *wanted));
        chosen
            .map(|control| {
                let family = self.setting.controls.family(&control.id);
                let values: Vec<Value> = family.into_iter().map(Value::Text).collect();
                let is =
                    |name: &str| Filter::Field(Field::Name(name.to_owned()), Test::Equals(values.clone()));
                let mapped = self.setting.controls.filter(&control.id);
                let any = [is("label"), is("control")].into_iter().chain(mapped).collect();
                let evidence = Filter::Any(any).and(filter.clone());
                (control, evidence.and(Filter::Not(Box::new(Filter::StoreRecord))))
            })
            .collect()
    }
}
