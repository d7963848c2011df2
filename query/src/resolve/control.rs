//! `control` and `controls`: what is evidence of which control, by labels, by the events' own words and by the mapping.

use std::collections::BTreeMap;

use indelible_engine::Seq;
use indelible_engine::filter::{Field, Filter, Glob, Test, Value};

use super::Resolver;
use super::condition::control;
use crate::ast::{Condition, Operand};
use crate::controls::{Control, named_framework};
use crate::error::Problem;
use crate::plan::{ControlBy, Coverage};
use crate::span::{Span, Spanned};
use crate::words::nearest;

/// Most words that an id may have been written in.
const WORDS_MAX: usize = 4;

/// The conditions by which something is evidence.
#[derive(Default)]
struct Evidence {
    /// What its labels or its own words may be.
    values: Vec<Value>,
    /// What the mapping says: the rules, by their names.
    mapped: Vec<(String, Filter)>,
}

impl Evidence {
    fn map(&mut self, rules: Vec<(String, Filter)>) {
        for rule in rules {
            if !self.mapped.contains(&rule) {
                self.mapped.push(rule);
            }
        }
    }

    /// By what something is evidence: labels, its own words, or a rule of the mapping.
    fn by(&self) -> ControlBy {
        let is = |name| is_one_of(name, self.values.clone());
        ControlBy { label: is("label"), event: is("control"), rules: self.mapped.clone() }
    }
}

fn is_one_of(name: &str, values: Vec<Value>) -> Filter {
    Filter::Field(Field::Name(name.to_owned()), Test::Equals(values))
}

impl Resolver<'_> {
    /// By which of its labels, its own words and the mapping an event is evidence of one of these controls.
    pub(super) fn control(&mut self, ids: &[Spanned<Operand>], filter: &Filter) -> ControlBy {
        let mut all = Evidence::default();
        for id in ids {
            let (name, evidence) = self.evidence(id);
            let any = evidence.by().filter();
            self.evidence.push((name, self.without_store(any.and(filter.clone()))));
            all.values.extend(evidence.values);
            all.map(evidence.mapped);
        }
        all.by()
    }

    /// What is evidence of the control that is written here, and what it is called.
    fn evidence(&mut self, id: &Spanned<Operand>) -> (String, Evidence) {
        let controls = self.setting.controls;
        let (text, is_word) = self.operand(id);
        let canonical = control(&text);
        let mut evidence = Evidence::default();
        if is_word && Glob::is_glob(&canonical) {
            let glob = Glob::new(&canonical);
            let catalogue = controls.catalogue();
            let matching = catalogue.iter().filter(|control| glob.matches(control.id.as_bytes()));
            matching.for_each(|control| evidence.map(controls.rules(&control.id)));
            evidence.values.push(Value::Word(canonical.clone()));
            return (canonical, evidence);
        }
        // Evidence of a part is evidence of the whole.
        let family = controls.family(&text);
        match family.first() {
            Some(whole) => evidence.map(controls.rules(whole)),
            None => self.warn_of_control(&canonical),
        }
        let name = family.first().unwrap_or(&canonical).clone();
        let is_other = !family.contains(&canonical);
        let ids = family.into_iter().chain(is_other.then_some(canonical));
        evidence.values.extend(ids.map(Value::Text));
        (name, evidence)
    }

    /// An id that the catalogue does not have may be misspelt.
    fn warn_of_control(&mut self, id: &str) {
        let controls = self.setting.controls;
        let catalogue = controls.catalogue();
        if catalogue.is_empty() {
            return;
        }
        let is_framework = catalogue.iter().any(|control| control.framework() == framework(id));
        let meant = match controls.nearest(id) {
            _ if is_framework && id == format!("{}:", framework(id)) => format!("; all of it is {id}*"),
            Some(near) => format!("; did you mean {near}?"),
            None => String::new(),
        };
        self.warnings.push(format!("the catalogue has no control {id}{meant}"));
    }

    /// An id in several words without quotes would be another control, or none, and words to search for behind it.
    pub(super) fn refuse_words(&mut self, ids: &[Spanned<Operand>], conditions: &[Condition]) {
        let Some(Spanned { node: Operand::Word(first), span }) = ids.last() else { return };
        if Glob::is_glob(first) {
            return;
        }
        let alone = self.setting.controls.family(first);
        for (text, end) in self.with_words_behind(&Spanned::new(first.clone(), *span), conditions) {
            let Some(id) = self.setting.controls.family(&text).into_iter().next() else { continue };
            if alone.first() != Some(&id) {
                let whole = Span { start: span.start, end };
                let problem = Problem::new(whole, "a control's id in several words must stand in quotes");
                self.problems.push(problem.help(format!("write {id} or \"{text}\"")));
                return;
            }
        }
    }

    /// A word with one, two and more of the bare words right behind it, which would be searched for, and where each ends.
    /// What stands behind `where` is meant as it is written.
    fn with_words_behind(&self, first: &Spanned<String>, conditions: &[Condition]) -> Vec<(String, usize)> {
        let flat = match conditions {
            [Condition::All(conditions)] => conditions,
            conditions => conditions,
        };
        let (mut text, mut end, mut found) = (first.node.clone(), first.span.end, Vec::new());
        for condition in flat.iter().take(WORDS_MAX) {
            let Condition::Text(Spanned { node: Operand::Text(word), span }) = condition else { break };
            let is_behind = self.text.get(end..span.start).is_some_and(|gap| gap.trim().is_empty());
            if !is_behind || self.text.get(span.start..span.end) != Some(word) {
                break;
            }
            text = format!("{text} {word}");
            end = span.end;
            found.push((text.clone(), end));
        }
        found
    }

    /// The controls of the catalogue, or of one framework, and which records are evidence of them.
    pub(super) fn coverage(
        &mut self,
        of: Option<&Spanned<Operand>>,
        conditions: &[Condition],
        filter: Filter,
    ) -> Coverage {
        let catalogue = self.setting.controls.catalogue();
        let wanted = of.map(|of| self.framework(of, conditions, &catalogue));
        let is_wanted =
            |control: &Control| wanted.as_ref().is_none_or(|wanted| control.framework() == wanted);
        let controls: Vec<Control> = catalogue.into_iter().filter(is_wanted).collect();
        let mut mapped: Vec<(Filter, Vec<usize>)> = Vec::new();
        let mut ids: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, control) in controls.iter().enumerate() {
            for id in self.setting.controls.family(&control.id) {
                ids.entry(id).or_default().push(place);
            }
            for (_, filter) in self.setting.controls.rules(&control.id) {
                match mapped.iter_mut().find(|(known, _)| *known == filter) {
                    // Two rules of one control may ask for the same.
                    Some((_, places)) if places.last() == Some(&place) => {}
                    Some((_, places)) => places.push(place),
                    None => mapped.push((filter, vec![place])),
                }
            }
        }
        let within = filter.and(Filter::Not(Box::new(Filter::StoreRecord)));
        Coverage { framework: wanted, controls, mapped, ids, within, seqs: 0..Seq::MAX }
    }

    /// The framework that is written here, in its one spelling.
    fn framework(
        &mut self,
        of: &Spanned<Operand>,
        conditions: &[Condition],
        catalogue: &[Control],
    ) -> String {
        let (text, is_word) = self.operand(of);
        let canonical = framework(&text);
        let mut known: Vec<&str> = catalogue.iter().map(Control::framework).collect();
        known.dedup();
        let name = Spanned::new(text.clone(), of.span);
        let words = if is_word { self.with_words_behind(&name, conditions) } else { Vec::new() };
        let in_words = words
            .into_iter()
            .find(|(words, _)| named_framework(words).is_some_and(|name| known.contains(&name.as_str())));
        if let Some((words, end)) = in_words {
            let whole = Span { start: of.span.start, end };
            let problem = Problem::new(whole, "a framework's name in several words must stand in quotes");
            self.problems.push(problem.help(format!("write {} or \"{words}\"", framework(&words))));
        } else if !known.contains(&canonical.as_str()) && !self.setting.is_check {
            let problem = Problem::new(of.span, format!("there is no framework `{text}`"));
            self.problems.push(match nearest(&canonical, known.iter().copied()) {
                Some(word) => problem.help(format!("did you mean `{word}`?")),
                None if known.is_empty() => problem.help("there is no catalogue of controls here"),
                None => problem.help(format!("there are {}", known.join(", "))),
            });
        }
        canonical
    }
}

/// A framework's name in its one spelling: alone it is the first half of an id.
fn framework(text: &str) -> String {
    let canonical = control(&format!("{text}:1"));
    canonical.split(':').next().unwrap_or_default().to_owned()
}
