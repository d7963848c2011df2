//! Documents of many events: where each event of one stands, byte for byte.

use super::keys::Print;
use super::path::{DEAD, NodeId, ROOT, Trie};
use super::profile::Profile;
use super::scan::{Scalar, Sink, Top, scan};
use crate::{Result, limits};

impl Profile {
    /// The events of `document`, verbatim, in its order: the values at the profile's `records` path. A document
    /// that is an object and has nothing there is one event, as is any document of a profile without that path.
    ///
    /// The elements are checked as JSON here, and as events by [`Profile::extract`].
    ///
    /// # Errors
    /// [`Error::InvalidEvent`](crate::Error::InvalidEvent) where the document is not JSON as events must be.
    pub fn split<'a>(&self, document: &'a [u8]) -> Result<Vec<&'a [u8]>> {
        let Some(trie) = &self.records else { return Ok(vec![document]) };
        let mut split = Split {
            trie,
            document,
            open: Vec::new(),
            next: ROOT,
            dead: 0,
            taken: None,
            found: false,
            events: Vec::new(),
        };
        scan(document, Top::Any, limits::EVENT_DEPTH_MAX + 8, &mut split)?;
        let array = document.trim_ascii_start().starts_with(b"[");
        if !split.found && !array {
            split.events.push(document);
        }
        Ok(split.events)
    }
}

struct Split<'a, 't> {
    trie: &'t Trie,
    document: &'a [u8],
    open: Vec<(NodeId, Option<u32>)>,
    next: NodeId,
    /// Objects and arrays that are open below the last one that leads to an event.
    dead: u32,
    /// Where the event that is open starts.
    taken: Option<usize>,
    /// Whether the array that should hold the events is there, empty or not.
    found: bool,
    events: Vec<&'a [u8]>,
}

impl Split<'_, '_> {
    fn arrive(&mut self) -> NodeId {
        match self.open.last_mut() {
            Some((node, Some(index))) => {
                let element = self.trie.element(*node, *index);
                *index = index.saturating_add(1);
                element
            }
            _ => self.next,
        }
    }

    fn push(&mut self, start: usize, end: usize) {
        self.found = true;
        self.events.extend(self.document.get(start..end));
    }
}

impl<'a> Sink<'a> for Split<'a, '_> {
    fn key(&mut self, key: &[u8], print: Print, _at: usize) {
        if self.dead == 0 {
            let here = self.open.last().map_or(DEAD, |open| open.0);
            self.next = self.trie.member(here, key, print);
        }
    }

    fn start(&mut self, array: bool, at: usize) {
        if self.dead > 0 {
            self.dead += 1;
            return;
        }
        let node = self.arrive();
        if node == DEAD || !self.trie.marks(node).is_empty() {
            self.taken = (node != DEAD).then_some(at);
            self.dead = 1;
        } else {
            self.found |= array && self.trie.element(node, 0) != DEAD;
            self.open.push((node, array.then_some(0)));
        }
    }

    fn end(&mut self, end: usize) {
        match self.dead {
            0 => {
                self.open.pop();
            }
            depth => {
                self.dead = depth - 1;
                if self.dead == 0
                    && let Some(start) = self.taken.take()
                {
                    self.push(start, end);
                }
            }
        }
    }

    fn scalar(&mut self, _value: Scalar<'a>, at: usize, end: usize) {
        if self.dead == 0 {
            let node = self.arrive();
            if !self.trie.marks(node).is_empty() {
                self.push(at, end);
            }
        }
    }
}
