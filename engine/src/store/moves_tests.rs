//! What has been in its tier for as long as any rule asks is planned to move, and moves, without an approval.

use super::collect_tests::Site;
use super::*;
use crate::Timestamp;
use crate::format::retention::{Approved, Plan, Policy, PolicyRule, Terms};
use crate::verify::Depth;

const DAY_S: u64 = 86_400;

/// A store of two sealed segments and a policy that asks for days in the hot tier, and in any tier here.
fn site(hot: Option<u64>, warm: Option<u64>) -> Site {
    let site = Site::new();
    let days = |days: Option<u64>| days.map(|days| days * DAY_S);
    let when = serde_json::from_slice(&crate::filter::Filter::All(Vec::new()).encode()).unwrap();
    let rule = |name: &str, hot_s, warm_s| PolicyRule {
        basis: String::new(),
        conditions: String::new(),
        locked: false,
        name: name.to_owned(),
        terms: Terms { hot_s, keep_s: None, warm_s },
        when: serde_json::Value::clone(&when),
    };
    let rules =
        vec![rule("short", Some(DAY_S).filter(|_| hot.is_some()), None), rule("long", days(hot), days(warm))];
    let default = Terms { keep_s: Some(1_000 * DAY_S), ..Terms::default() };
    site.store.set_policy(&Policy { default, rules, text: String::new() }).unwrap();
    for _ in 0..2 {
        site.append(r#"{"kind":"x"}"#);
        site.store.seal().unwrap().unwrap();
        site.pass(24);
    }
    site
}

fn plan(site: &Site) -> Approved<Plan> {
    let now = site.now();
    site.store.snapshot().unwrap().plan(now, Timestamp(now.0 + 1_000 * DAY_S as i64 * 1_000_000_000)).unwrap()
}

fn moves(plan: &Approved<Plan>) -> Vec<(u64, &str, &str)> {
    plan.matter.moves.iter().map(|planned| (planned.first_seq, &*planned.tier, &*planned.rule)).collect()
}

fn is_hot(site: &Site) -> Vec<bool> {
    let snapshot = site.store.snapshot().unwrap();
    let sealed: Vec<_> = snapshot.segments().filter(|segment| segment.sealed).collect();
    sealed.iter().map(|segment| snapshot.tier(segment.id).unwrap() == Tier::Hot).collect()
}

#[test]
fn what_was_hot_for_long_enough_moves_as_planned_and_needs_nobody() {
    let site = site(Some(4), None);
    assert_eq!(moves(&plan(&site)), [], "the longest rule asks for four days");
    site.pass(48);
    let first = plan(&site);
    assert_eq!(moves(&first), [(0, "warm", "long")]);
    assert!(!first.matter.deletes() && first.matter.moves[0].bytes > 0);
    site.pass(24);
    let late = plan(&site);
    assert_eq!(moves(&late).len(), 2);
    let stopped = site.store.apply_plan(&late, &mut |_, _| false).unwrap();
    assert_eq!((stopped.moved.segments, stopped.moved.left), (0, 2));
    let applied = site.store.apply_plan(&first, &mut |_, _| true).unwrap();
    assert_eq!((applied.moved.segments, applied.moved.left, applied.plan), (1, 0, None));
    assert_eq!(is_hot(&site), [false, true], "the plan, and no more than the plan");
    let applied = site.store.apply_plan(&late, &mut |_, _| true).unwrap();
    assert_eq!((applied.moved.segments, is_hot(&site)), (1, vec![false, false]));
    let again = site.store.apply_plan(&late, &mut |_, _| true).unwrap();
    assert_eq!(again.moved, Moved::default());
    assert!(
        site.store.snapshot().unwrap().retention().unwrap().plans.is_empty(),
        "each move is on record itself"
    );
    site.assert_clean();
    let mut altered = late.clone();
    altered.matter.moves.clear();
    assert!(matches!(site.store.apply_plan(&altered, &mut |_, _| true), Err(Error::Forged { .. })));
}

#[test]
fn what_a_later_policy_wants_hot_stays_and_moves_go_on_behind_a_deletion() {
    let site = site(Some(1), None);
    site.pass(24);
    let early = plan(&site);
    assert_eq!(moves(&early).len(), 2);
    let snapshot = site.store.snapshot().unwrap();
    let (_, policy) = snapshot.retention().unwrap().policy().cloned().unwrap();
    let mut longer = policy.clone();
    longer.rules[1].terms.hot_s = Some(100 * DAY_S);
    site.store.set_policy(&longer).unwrap();
    let spared = site.store.apply_plan(&early, &mut |_, _| true).unwrap().moved;
    assert_eq!((spared.segments, spared.spared), (0, 2));
    // Of what is deleted and moved in one plan, the deletion comes first and is told once.
    site.put("stray");
    site.pass(100 * 24);
    let mut both = plan(&site);
    assert_eq!((both.matter.artifacts.len(), moves(&both).len()), (1, 2));
    assert!(site.store.apply_plan(&both, &mut |_, _| true).is_err(), "it deletes");
    both.approve(&site.key).unwrap();
    let mut asked = 0;
    let twice = &mut |_, _| {
        asked += 1;
        asked <= 2
    };
    let applied = site.store.apply_plan(&both, twice).unwrap();
    assert_eq!((applied.artifacts.artifacts, applied.moved.segments, applied.moved.left), (1, 0, 2));
    let rest = site.store.apply_plan(&both, &mut |_, _| true).unwrap();
    assert_eq!((rest.artifacts.artifacts, rest.moved.segments, rest.plan), (0, 2, applied.plan));
    assert!(matches!(site.store.apply_plan(&both, &mut |_, _| true), Err(Error::Refused { .. })));
    site.assert_clean();
}

#[test]
fn an_archive_is_for_what_was_here_for_long_enough_and_a_silent_policy_moves_nothing() {
    let here = site(Some(2), Some(4));
    assert_eq!(moves(&plan(&here)), [(0, "warm", "long")]);
    here.pass(48);
    let planned = plan(&here);
    assert_eq!(moves(&planned)[0], (0, "archive", "long"));
    assert_eq!(moves(&planned)[1].1, "warm");
    here.store.apply_plan(&planned, &mut |_, _| true).unwrap();
    assert_eq!(is_hot(&here), [true, false], "where an archive is, the engine does not know");
    let silent = site(None, None);
    silent.pass(1_000);
    assert_eq!(moves(&plan(&silent)), []);
    assert!(silent.verified(Depth::Quick).is_clean());
}
