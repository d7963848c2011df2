//! Label rules: filters that label events when they are appended.
//!
//! A set of rules is written into the log once, and never changes. What it says of an event depends on the event and
//! on the profile that reads it, never on when or where the event is appended: whoever has the log can work out again
//! what each record must be labelled with.

use serde_json::Value;

use super::{Field, Filter, Matcher, Scratch, Subject};
use crate::format::admin::StoredRule;
use crate::format::frame::LabelBuf;
use crate::{Error, Result, Seq, limits};

/// What the label that names a set of rules begins with; the seq of its `store.rules` record follows.
pub(crate) const RULES_PREFIX: &str = "rules:";
/// What the labels begin with that masking gives.
pub(crate) const MASKED_PREFIX: &str = "masked:";

/// Labels for events that match a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRule {
    /// Which events.
    pub when: Filter,
    /// Their labels.
    pub labels: Vec<String>,
}

/// A set of label rules, compiled.
#[derive(Debug, Clone)]
pub struct LabelRules {
    rules: Vec<LabelRule>,
    /// Any of the filters: each is a branch.
    matcher: Matcher,
    /// All labels that the rules can give, in the order in which the rules name them.
    labels: Vec<String>,
    /// By branch: the places of its labels.
    branches: Vec<Vec<usize>>,
}

impl PartialEq for LabelRules {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules
    }
}

impl LabelRules {
    /// Compiles rules.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`] for a filter that asks of a record's place, time or labels, for a label that is none
    /// or that only the store gives, and for what is over a limit.
    pub fn new(rules: Vec<LabelRule>) -> Result<LabelRules> {
        let invalid = |reason: String| Error::InvalidFilter { reason };
        let mut labels: Vec<String> = Vec::new();
        // Rules with one filter are one branch, so that it is asked once.
        let (mut filters, mut branches): (Vec<Filter>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        for rule in &rules {
            refuse_place(&rule.when)?;
            let branch = filters.iter().position(|known| *known == rule.when).unwrap_or_else(|| {
                filters.push(rule.when.clone());
                branches.push(Vec::new());
                filters.len() - 1
            });
            for label in &rule.labels {
                if label.starts_with(RULES_PREFIX) || label.starts_with(MASKED_PREFIX) {
                    return Err(invalid(format!("{label:?} is a label that the store gives")));
                }
                LabelBuf::default().push(label).map_err(invalid)?;
                let place = labels.iter().position(|known| known == label).unwrap_or_else(|| {
                    labels.push(label.clone());
                    labels.len() - 1
                });
                branches.get_mut(branch).into_iter().for_each(|branch| branch.push(place));
            }
        }
        if labels.len() > limits::RULE_LABELS_MAX {
            let reason = format!("{} labels, over the limit of {}", labels.len(), limits::RULE_LABELS_MAX);
            return Err(invalid(reason));
        }
        Ok(LabelRules { matcher: Matcher::new(&Filter::Any(filters))?, rules, labels, branches })
    }

    /// Reads the rules that a `store.rules` record carries.
    pub(crate) fn decode(stored: &[StoredRule]) -> Result<LabelRules> {
        let rule = |stored: &StoredRule| {
            let when = Filter::decode(stored.when.to_string().as_bytes())?;
            Ok(LabelRule { when, labels: stored.labels.clone() })
        };
        LabelRules::new(stored.iter().map(rule).collect::<Result<_>>()?)
    }

    /// The rules as a `store.rules` record carries them.
    pub(crate) fn encode(&self) -> Vec<StoredRule> {
        let stored = |rule: &LabelRule| StoredRule {
            labels: rule.labels.clone(),
            when: serde_json::to_value(&rule.when).unwrap_or(Value::Null),
        };
        self.rules.iter().map(stored).collect()
    }

    /// The rules.
    pub fn rules(&self) -> &[LabelRule] {
        &self.rules
    }

    /// Adds to `labels` what an event gets by these rules, which the record `seq` registered: that label first which
    /// names them.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] where there is no room for more labels, or a path is followed and the body is no event.
    pub(crate) fn apply(
        &self,
        seq: Seq,
        subject: &Subject<'_>,
        scratch: &mut Scratch,
        labels: &mut LabelBuf,
    ) -> Result<()> {
        let mut given = [false; limits::RULE_LABELS_MAX];
        self.matcher.each_branch(subject, scratch, |branch| {
            for place in self.branches.get(branch).into_iter().flatten() {
                given.get_mut(*place).into_iter().for_each(|given| *given = true);
            }
        })?;
        let push = |labels: &mut LabelBuf, label: &str| {
            labels.push(label).map_err(|reason| Error::InvalidEvent { offset: 0, reason })
        };
        push(labels, &format!("{RULES_PREFIX}{seq}"))?;
        let mut given = self.labels.iter().zip(given).filter(|(_, given)| *given);
        given.try_for_each(|(label, _)| push(labels, label))
    }
}

/// Refuses a filter that another record of the same event might answer otherwise.
fn refuse_place(filter: &Filter) -> Result<()> {
    let mut asked = None;
    filter.walk(&mut |filter| {
        asked = asked.or(match filter {
            Filter::Time(..) => Some("a time"),
            Filter::Seqs(_) => Some("a seq"),
            Filter::Field(Field::Name(name), _) if name == "label" => Some("labels"),
            _ => None,
        });
    });
    match asked {
        None => Ok(()),
        Some(asked) => {
            let reason = format!(
                "a label rule cannot ask of {asked}: it must say the same of an event whenever it is appended"
            );
            Err(Error::InvalidFilter { reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::filter::{Clock, Test, Value, Window};
    use crate::format::frame::Labels;
    use crate::source::{Fields, Profile};

    fn kind(kind: &str) -> Filter {
        let test = Test::Equals(vec![Value::Word(kind.to_owned())]);
        Filter::Field(Field::Name("kind".to_owned()), test)
    }

    fn rule(when: Filter, labels: &[&str]) -> LabelRule {
        LabelRule { when, labels: labels.iter().map(|label| (*label).to_owned()).collect() }
    }

    fn labels(rules: &LabelRules, event: &str) -> Vec<String> {
        let (profile, mut fields) = (Profile::evidence(), Fields::default());
        profile.extract(event.as_bytes(), &mut fields).unwrap();
        let subject = Subject {
            seq: 0,
            received_at: Timestamp(0),
            source: 1,
            encoding: 0,
            labels: Labels::default(),
            body: event.as_bytes(),
            profile,
            fields: &fields,
        };
        let mut buf = LabelBuf::default();
        rules.apply(7, &subject, &mut Scratch::default(), &mut buf).unwrap();
        buf.as_labels().iter().map(str::to_owned).collect()
    }

    #[test]
    fn each_label_is_given_once_in_the_order_of_the_rules() {
        let rules = LabelRules::new(vec![
            rule(kind("deploy*"), &["B:1", "A:1"]),
            rule(kind("deployment"), &["C:1", "A:1"]),
            rule(kind("deploy*"), &["D:1"]),
        ])
        .unwrap();
        assert_eq!(labels(&rules, r#"{"kind":"deployment"}"#), ["rules:7", "B:1", "A:1", "C:1", "D:1"]);
        assert_eq!(labels(&rules, r#"{"kind":"deploy"}"#), ["rules:7", "B:1", "A:1", "D:1"]);
        assert_eq!(labels(&rules, r#"{"kind":"note"}"#), ["rules:7"]);
        assert_eq!(LabelRules::decode(&rules.encode()).unwrap(), rules);
        assert_eq!(labels(&LabelRules::new(Vec::new()).unwrap(), "{}"), ["rules:7"]);
    }

    #[test]
    fn rules_that_no_one_could_check_are_refused() {
        let at = |filter: Filter| LabelRules::new(vec![rule(filter, &["A:1"])]);
        assert!(at(Filter::Time(Clock::Event, Window::default())).is_err());
        assert!(at(Filter::Not(Box::new(Filter::Seqs(0..9)))).is_err());
        assert!(at(Filter::Field(Field::Name("label".to_owned()), Test::Exists)).is_err());
        assert!(at(Filter::Field(Field::Name("source".to_owned()), Test::Exists)).is_ok());
        for label in ["", "rules:1", "masked:x", &"x".repeat(65)] {
            assert!(LabelRules::new(vec![rule(kind("a"), &[label])]).is_err(), "{label:?}");
        }
        let many: Vec<String> = (0..=limits::RULE_LABELS_MAX).map(|n| format!("X:{n}")).collect();
        assert!(LabelRules::new(vec![LabelRule { when: kind("a"), labels: many }]).is_err());
    }
}
