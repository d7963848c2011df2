//! Masking at the door: what must not be stored is changed before the record is made, and the record says so.
//!
//! Bytes outside the values that a rule or a secret touches stay as they came. The result is JSON by the same rules
//! as the event. Keys are never changed: a secret that is a key stays.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::decimal;
use super::keys::Print;
use super::path::{DEAD, NodeId, ROOT};
use super::profile::{MaskAction, MaskRule, Profile, invalid};
use super::scan::{Scalar, Sink, Top, scan};
use super::secrets;
use crate::hash;
use crate::{Result, limits};

/// An event after masking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked<'a> {
    /// The event as it will be stored.
    pub event: Cow<'a, [u8]>,
    /// What was done to it, ascending: `masked:<rule>` and `masked:secret/<pattern>`; empty where nothing was.
    pub labels: Vec<String>,
}

impl Profile {
    /// Changes `event` by the profile's mask rules, and where `secrets` is set, takes obvious secrets out of its
    /// strings. `key` is what tokens are made under: a store's own, so that equal values of one store have equal
    /// tokens and those of two stores do not.
    ///
    /// Where nothing is to be masked the event is not checked; [`Profile::extract`] does that.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`](crate::Error::InvalidEvent) where there is work to do and the event is not valid, and
    /// [`Error::InvalidProfile`](crate::Error::InvalidProfile) where the profile has token rules and there is no key.
    pub fn mask<'a>(&self, event: &'a [u8], key: Option<&[u8; 32]>, secrets: bool) -> Result<Masked<'a>> {
        if key.is_none()
            && let Some(rule) = self.masks().iter().find(|rule| rule.action == MaskAction::Token)
        {
            let reason =
                format!("mask {}: tokens need a masking key; give one, or use action = \"mask\"", rule.name);
            return Err(invalid(self.name(), reason));
        }
        let secrets = secrets && secrets::suspicious(event);
        if self.masks().is_empty() && !secrets {
            return Ok(Masked { event: Cow::Borrowed(event), labels: Vec::new() });
        }
        let mut mask = Mask {
            profile: self,
            event,
            token_key: key,
            secrets,
            open: Vec::new(),
            next: ROOT,
            key_at: 0,
            key: Vec::new(),
            covered: None,
            edits: Vec::new(),
            labels: BTreeSet::new(),
        };
        scan(event, Top::Object, limits::EVENT_DEPTH_MAX, &mut mask)?;
        let Mask { edits, labels, .. } = mask;
        if edits.is_empty() {
            return Ok(Masked { event: Cow::Borrowed(event), labels: Vec::new() });
        }
        Ok(Masked { event: Cow::Owned(apply(event, edits)), labels: labels.into_iter().collect() })
    }
}

/// Bytes that take the place of others.
#[derive(Debug)]
struct Edit {
    start: usize,
    end: usize,
    with: String,
}

fn apply(event: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| edit.start);
    let mut out = Vec::with_capacity(event.len());
    let mut at = 0;
    for edit in edits {
        out.extend_from_slice(event.get(at..edit.start).unwrap_or_default());
        out.extend_from_slice(edit.with.as_bytes());
        at = edit.end;
    }
    out.extend_from_slice(event.get(at..).unwrap_or_default());
    out
}

/// An object or array that is open and not inside a masked value.
#[derive(Debug)]
struct Open {
    node: NodeId,
    /// Of an array, the next element's place.
    index: Option<u32>,
    /// Where the member or element that is being read starts.
    item: usize,
    /// Where the last member or element ended.
    last_end: usize,
    /// Whether a member or element before this one stays.
    kept: bool,
    /// Where a dropped run starts that has nothing kept before it: it ends where the next item starts.
    gap: Option<usize>,
}

/// A value that a rule covers and that is still open.
#[derive(Debug)]
struct Covered {
    rule: usize,
    start: usize,
    depth: u32,
}

struct Mask<'a, 'm> {
    profile: &'m Profile,
    event: &'a [u8],
    token_key: Option<&'m [u8; 32]>,
    secrets: bool,
    open: Vec<Open>,
    next: NodeId,
    key_at: usize,
    key: Vec<u8>,
    covered: Option<Covered>,
    edits: Vec<Edit>,
    labels: BTreeSet<String>,
}

impl<'a> Mask<'a, '_> {
    /// A value starts: its node, and the rule that covers it. The first rule of the profile's text wins.
    fn arrive(&mut self, at: usize) -> (NodeId, Option<usize>) {
        let mut node = self.next;
        if let Some(open) = self.open.last_mut() {
            open.item = self.key_at;
            if let Some(index) = &mut open.index {
                node = self.profile.mask_trie.element(open.node, *index);
                *index = index.saturating_add(1);
                open.item = at;
            }
            if let Some(start) = open.gap.take() {
                self.edits.push(Edit { start, end: open.item, with: String::new() });
            }
        }
        let rule = self.profile.mask_trie.marks(node).iter().map(|mark| usize::from(mark.target)).min();
        (node, rule)
    }

    /// A value that stays ends.
    fn keep(&mut self, end: usize) {
        if let Some(open) = self.open.last_mut() {
            open.last_end = end;
            open.kept = true;
        }
    }

    /// A value that a rule covers ends.
    fn cover(&mut self, rule: usize, start: usize, end: usize) {
        let Some(rule) = self.profile.masks().get(rule) else { return };
        self.labels.insert(format!("masked:{}", rule.name));
        match rule.action {
            MaskAction::Mask => {
                self.edits.push(Edit { start, end, with: format!("\"[masked:{}]\"", rule.name) });
                self.keep(end);
            }
            MaskAction::Token => {
                let with = self.token(rule, start, end);
                self.edits.push(Edit { start, end, with });
                self.keep(end);
            }
            MaskAction::Drop => {
                let Some(open) = self.open.last_mut() else { return };
                if open.kept {
                    self.edits.push(Edit { start: open.last_end, end, with: String::new() });
                } else {
                    open.gap = Some(open.item);
                }
                open.last_end = end;
            }
        }
    }

    /// A token of the value, the same however the value is spelled.
    fn token(&self, rule: &MaskRule, start: usize, end: usize) -> String {
        let raw = self.event.get(start..end).unwrap_or_default();
        let mut value = Vec::with_capacity(raw.len() + 1);
        match raw {
            [b'"', inside @ .., b'"'] => {
                value.push(b's');
                super::text::unescape(inside, &mut value);
            }
            [b'-' | b'0'..=b'9', ..] => {
                value.push(b'n');
                if !decimal::canonical(raw, &mut value) {
                    value.extend_from_slice(raw);
                }
            }
            _ => {
                value.push(b'j');
                value.extend_from_slice(raw);
            }
        }
        // `mask` refuses a token rule without a key.
        let Some(key) = self.token_key else { return format!("\"[masked:{}]\"", rule.name) };
        format!("\"tok_{:.32}\"", hash::mask_token(key, &value).to_string())
    }
}

impl<'a> Sink<'a> for Mask<'a, '_> {
    fn key(&mut self, key: &[u8], print: Print, at: usize) {
        if self.covered.is_some() {
            return;
        }
        let here = self.open.last().map_or(DEAD, |open| open.node);
        self.next = self.profile.mask_trie.member(here, key, print);
        self.key_at = at;
        self.key.clear();
        self.key.extend_from_slice(key);
    }

    fn start(&mut self, array: bool, at: usize) {
        if let Some(covered) = &mut self.covered {
            covered.depth += 1;
            return;
        }
        let (node, rule) = self.arrive(at);
        match rule {
            Some(rule) => self.covered = Some(Covered { rule, start: at, depth: 0 }),
            None => self.open.push(Open {
                node,
                index: array.then_some(0),
                item: at,
                last_end: at,
                kept: false,
                gap: None,
            }),
        }
    }

    fn end(&mut self, end: usize) {
        match &mut self.covered {
            Some(Covered { depth: depth @ 1.., .. }) => *depth -= 1,
            Some(Covered { rule, start, .. }) => {
                let (rule, start) = (*rule, *start);
                self.covered = None;
                self.cover(rule, start, end);
            }
            None => {
                if let Some(Open { gap: Some(start), last_end, .. }) = self.open.pop() {
                    self.edits.push(Edit { start, end: last_end, with: String::new() });
                }
                self.keep(end);
            }
        }
    }

    fn scalar(&mut self, value: Scalar<'a>, at: usize, end: usize) {
        if self.covered.is_some() {
            return;
        }
        let in_object = self.open.last().is_some_and(|open| open.index.is_none());
        match (self.arrive(at).1, value) {
            (Some(rule), _) => return self.cover(rule, at, end),
            (None, Scalar::String(text)) if self.secrets => {
                for secret in secrets::find(if in_object { &self.key } else { b"" }, text) {
                    self.labels.insert(format!("masked:secret/{}", secret.pattern));
                    let (start, end) = (at + 1 + secret.start, at + 1 + secret.end);
                    self.edits.push(Edit { start, end, with: format!("[masked:{}]", secret.pattern) });
                }
            }
            _ => {}
        }
        self.keep(end);
    }
}
