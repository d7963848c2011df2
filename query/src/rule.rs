//! Conditions that stand alone: rules of mappings, labels and policies, which outlive the question.

use indelible_engine::Timestamp;
use indelible_engine::filter::Filter;

use crate::ast::Head;
use crate::controls::NoControls;
use crate::error::{Problem, Problems, Result};
use crate::grammar;
use crate::plan::Base;
use crate::resolve::{Setting, resolve};
use crate::span::Span;
use crate::vocabulary::Vocabulary;

/// Reads conditions as a filter. It means the same whenever it is asked: `since 24h`, parameters, heads and stages are
/// refused, and so is what only a row can say.
///
/// # Errors
/// [`Error::Query`](crate::Error::Query) with all that is wrong with the text.
pub fn filter(text: &str, vocabulary: &Vocabulary) -> Result<Filter> {
    let (tree, problems) = grammar::parse(text);
    if !problems.is_empty() {
        return Err(Problems::new(text, problems).into());
    }
    let whole = Span { start: 0, end: text.len() };
    let refuse = |message: &str| Problems::new(text, vec![Problem::new(whole, message)]);
    if tree.explain || tree.head != Head::Conditions || !tree.stages.is_empty() {
        return Err(refuse("a rule is conditions alone").into());
    }
    if tree.conditions.is_empty() {
        return Err(refuse("a rule of no conditions holds for every record").into());
    }
    let at = |now| {
        let setting = Setting {
            vocabulary,
            controls: &NoControls,
            now: Timestamp(now),
            all: true,
            parameters: Some(&std::collections::BTreeMap::new()),
            is_check: false,
        };
        resolve(text, &tree, &setting).map(|(plan, _)| plan)
    };
    // What counts back from the present is something else at another time.
    let (plan, later) = (at(0)?, at(1)?);
    match (plan.base, later.base) {
        (Base::Search(filter, _), Base::Search(later, _)) if plan.steps.is_empty() => {
            if filter != later {
                return Err(refuse("a rule cannot count back from the present").into());
            }
            filter.check()?;
            Ok(filter)
        }
        _ => Err(refuse("a rule can ask of the event alone, not of what is computed from it").into()),
    }
}

#[cfg(test)]
mod tests {
    use indelible_engine::filter::{Field, Test, Value};

    use super::*;

    #[test]
    fn conditions_are_a_filter() {
        let vocabulary = Vocabulary::default();
        let found = filter("kind = deploy*", &vocabulary).expect("a filter");
        let test = Test::Equals(vec![Value::Word("deploy*".to_owned())]);
        assert_eq!(found, Filter::Field(Field::Name("kind".to_owned()), test));
        assert!(
            filter("kind = deployment and (environment = production or risk = high)", &vocabulary).is_ok()
        );
        assert!(filter("between 2026-04-01 and 2026-04-30", &vocabulary).is_ok());
    }

    #[test]
    fn what_is_no_rule_is_refused_and_told() {
        let vocabulary = Vocabulary::default();
        for (text, reason) in [
            ("", "no conditions"),
            ("kind = deployment since 24h", "count back from the present"),
            ("kind = $kind", "kind"),
            ("kind = deployment | count", "conditions alone"),
            ("timeline run r", "conditions alone"),
            ("explain kind = deployment", "conditions alone"),
            ("approval.approved_at - ts > 1h", "computed"),
            ("kind = ", "expected"),
        ] {
            let error = filter(text, &vocabulary).expect_err(text).to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
