//! Policies: what one may say, and how long a record is kept by all that were in force since it was stored.

use super::refused;
use crate::filter::{Decision, Filter, Matcher, Scratch, Subject};
use crate::format::retention::{Policy, PolicyRule, Terms};
use crate::{Result, Seq, Timestamp, limits};

/// The name of what holds where no rule applies.
pub(crate) const DEFAULT_NAME: &str = "default";

/// Checks a policy by itself, and against the one that it would follow.
pub(crate) fn check(policy: &Policy, before: Option<&Policy>) -> Result<()> {
    let refuse = |reason: String| Err(refused("policy", reason));
    if policy.text.len() > limits::POLICY_LEN_MAX || policy.rules.len() > limits::POLICY_RULES_MAX {
        return refuse(format!(
            "it may have {} bytes and {} rules",
            limits::POLICY_LEN_MAX,
            limits::POLICY_RULES_MAX
        ));
    }
    check_terms(DEFAULT_NAME, &policy.default)?;
    for (at, rule) in policy.rules.iter().enumerate() {
        if rule.name.is_empty() || rule.name == DEFAULT_NAME {
            return refuse(format!("rule {} needs a name, and not {DEFAULT_NAME:?}", at + 1));
        }
        if policy.rules[..at].iter().any(|other| other.name == rule.name) {
            return refuse(format!("two rules are called {:?}", rule.name));
        }
        check_terms(&rule.name, &rule.terms)?;
        when(rule)?;
    }
    let locked = before.into_iter().flat_map(|policy| &policy.rules).filter(|rule| rule.locked);
    for old in locked {
        let Some(new) = policy.rules.iter().find(|rule| rule.name == old.name) else {
            return refuse(format!("the rule {:?} is locked and cannot be dropped", old.name));
        };
        if new.when != old.when {
            return refuse(format!("the rule {:?} is locked, and its conditions stay as they are", old.name));
        }
        let shorter = !is_as_long(new.terms.keep_s, old.terms.keep_s)
            || new.terms.hot_s < old.terms.hot_s
            || new.terms.warm_s < old.terms.warm_s;
        if shorter || !new.locked {
            return refuse(format!(
                "the rule {:?} is locked: it can be lengthened, and nothing else",
                old.name
            ));
        }
    }
    Ok(())
}

fn check_terms(name: &str, terms: &Terms) -> Result<()> {
    let Terms { hot_s, keep_s, warm_s } = *terms;
    let within = |part: Option<u64>| part.is_none_or(|part| keep_s.is_none_or(|keep| part <= keep));
    if !within(hot_s) || !within(warm_s) {
        let reason = format!("{name:?} asks for a tier for longer than it keeps");
        return Err(refused("policy", reason));
    }
    Ok(())
}

/// Whether a period is as long as another; nothing is for ever.
fn is_as_long(keep_s: Option<u64>, other_s: Option<u64>) -> bool {
    match (keep_s, other_s) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(keep), Some(other)) => keep >= other,
    }
}

/// The filter of a rule.
pub(crate) fn when(rule: &PolicyRule) -> Result<Filter> {
    Filter::decode(rule.when.to_string().as_bytes())
}

/// How long a record is kept, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept<'p> {
    /// The seq of the policy's record.
    pub(crate) policy: Seq,
    pub(crate) rule: &'p str,
    pub(crate) terms: Terms,
    pub(crate) locked: bool,
}

impl Kept<'_> {
    /// When it is due that was stored at `stored_at`; never, where it is kept for ever.
    pub(crate) fn due(&self, stored_at: Timestamp) -> Option<Timestamp> {
        let keep_ns = i64::try_from(u128::from(self.terms.keep_s?) * 1_000_000_000).ok()?;
        stored_at.0.checked_add(keep_ns).map(Timestamp)
    }
}

/// All policies, compiled.
#[derive(Debug)]
pub(crate) struct Policies<'p> {
    versions: Vec<Version<'p>>,
}

#[derive(Debug)]
struct Version<'p> {
    seq: Seq,
    policy: &'p Policy,
    rules: Vec<(Matcher, Scratch)>,
}

impl<'p> Policies<'p> {
    pub(crate) fn new(policies: &'p [(Seq, Policy)]) -> Result<Self> {
        let version = |(seq, policy): &'p (Seq, Policy)| -> Result<Version<'p>> {
            let matcher = |rule: &PolicyRule| Ok((Matcher::new(&when(rule)?)?, Scratch::default()));
            let rules = policy.rules.iter().map(matcher).collect::<Result<_>>()?;
            Ok(Version { seq: *seq, policy, rules })
        };
        Ok(Policies { versions: policies.iter().map(version).collect::<Result<_>>()? })
    }

    /// The shortest period that any policy names, for records from `seq` on: nothing is due before. Nothing where all is
    /// kept for ever.
    pub(crate) fn shortest_s(&self) -> Option<u64> {
        let terms = self.versions.iter().flat_map(|version| {
            version.policy.rules.iter().map(|rule| rule.terms).chain([version.policy.default])
        });
        terms.filter_map(|terms| terms.keep_s).min()
    }

    /// How long a record is kept: the longest that applies, over the policy in force when it was stored and all later
    /// ones. A rule of which it cannot be told whether it applies does. Nothing where there is no policy at all.
    pub(crate) fn kept(&mut self, subject: &Subject<'_>) -> Option<Kept<'p>> {
        let first = self.versions.partition_point(|version| version.seq < subject.seq).saturating_sub(1);
        let mut longest: Option<Kept<'p>> = None;
        for version in self.versions.iter_mut().skip(first) {
            let kept = version.kept(subject);
            if longest.is_none_or(|known| !is_as_long(known.terms.keep_s, kept.terms.keep_s)) {
                longest = Some(kept);
            }
        }
        longest
    }
}

impl<'p> Policies<'p> {
    /// The rules of the policy in force that apply to a record, or may: each promises its tiers.
    pub(crate) fn applying(&mut self, subject: &Subject<'_>) -> impl Iterator<Item = &'p PolicyRule> {
        let version = self.versions.last_mut();
        version
            .into_iter()
            .flat_map(|version| version.policy.rules.iter().zip(&mut version.rules))
            .filter_map(|(rule, (matcher, scratch))| {
                (matcher.decide(subject, scratch) != Decision::No).then_some(rule)
            })
    }
}

impl<'p> Version<'p> {
    fn kept(&mut self, subject: &Subject<'_>) -> Kept<'p> {
        let mut longest: Option<Kept<'p>> = None;
        for (rule, (matcher, scratch)) in self.policy.rules.iter().zip(&mut self.rules) {
            let longer = longest.is_none_or(|known| !is_as_long(known.terms.keep_s, rule.terms.keep_s));
            if longer && matcher.decide(subject, scratch) != Decision::No {
                let PolicyRule { name, terms, locked, .. } = rule;
                longest = Some(Kept { policy: self.seq, rule: name, terms: *terms, locked: *locked });
            }
        }
        let terms = self.policy.default;
        longest.unwrap_or(Kept { policy: self.seq, rule: DEFAULT_NAME, terms, locked: false })
    }
}
