//! The shapes of the events before: what stood between their values, byte for byte.
//!
//! Events of one source differ in their values and seldom in anything else: keys, punctuation and white space are the
//! same bytes, event after event. So an event is first held against the shapes of those before it: where the bytes
//! between its values are those of an event that the scanner has passed, its grammar, its keys and the places of its
//! values are known, and only the values are read. Any difference, an error too, is left to the scanner, which begins
//! anew: shapes save time and decide nothing.
//!
//! Shapes lie in a tree of *gaps*. A gap reaches from the end of one value to the start of the next, the quotes of
//! strings being part of it, so that the gaps from the root to a node tell all keys of all objects that are open there.

use super::path::NodeId;
use super::scan::{Scalar, Values};
use super::short::equal;

/// Most gaps that are known at a time, and most bytes of them.
const GAPS_MAX: usize = 4096;
const BYTES_MAX: usize = 256 << 10;
/// Most gaps that are tried at one place.
const BRANCHES_MAX: usize = 24;
/// Events with more values than this are not learnt.
pub(super) const VALUES_MAX: usize = 256;
/// How many events more may have failed than fitted before shapes are forgotten, and how many are scanned then
/// before the next is learnt.
const CREDIT: u32 = 128;
const REST: u32 = 1024;

/// No gap.
const NONE: u32 = u32::MAX;

/// A value of an event that was scanned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Where the profile's paths are at this value.
    pub(super) node: NodeId,
    /// Where it stands, quotes included.
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) string: bool,
}

/// What comes behind a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The characters of a string, its opening quote having been the gap's last byte.
    String,
    /// A number, true, false or null.
    Word,
    /// Nothing: the event is at its end.
    End,
}

/// What stands between two values, or before the first, or behind the last.
#[derive(Debug)]
struct Gap {
    /// The first bytes, as many as there are, zeros above them.
    head: u128,
    mask: u128,
    /// All of them, in [`Shapes::bytes`].
    start: u32,
    len: u32,
    then: Then,
    /// Where the profile's paths are at the value behind it.
    node: NodeId,
    /// Another gap that may stand at the same place.
    other: u32,
    /// The first of the gaps that may stand behind the value.
    next: u32,
}

const HEAD_LEN: usize = size_of::<u128>();

/// The shapes of one profile's events.
#[derive(Debug)]
pub(super) struct Shapes {
    gaps: Vec<Gap>,
    bytes: Vec<u8>,
    credit: u32,
    rest: u32,
}

impl Default for Shapes {
    fn default() -> Self {
        Shapes { gaps: Vec::new(), bytes: Vec::new(), credit: CREDIT, rest: 0 }
    }
}

impl Shapes {
    /// Whether the next event should be held against shapes, and learnt where it has none of them.
    pub(super) fn are_of_use(&mut self) -> bool {
        let resting = self.rest > 0;
        self.rest = self.rest.saturating_sub(1);
        !resting
    }

    /// Reads the values of an event that has a known shape, telling `take` of each: where the profile's paths are,
    /// what it is, where it starts and where it ends. None where the event has no known shape; what was told of it
    /// counts for nothing then.
    #[inline]
    pub(super) fn read<'a>(
        &mut self,
        event: &'a [u8],
        take: impl FnMut(NodeId, Scalar<'a>, usize, usize),
    ) -> Option<()> {
        let read = self.follow(event, take);
        match read {
            Some(()) => self.credit = CREDIT.min(self.credit + 1),
            None if self.credit == 0 => *self = Shapes { rest: REST, ..Shapes::default() },
            None => self.credit -= 1,
        }
        read
    }

    #[inline]
    fn follow<'a>(
        &self,
        event: &'a [u8],
        mut take: impl FnMut(NodeId, Scalar<'a>, usize, usize),
    ) -> Option<()> {
        let mut values = Values::new(event);
        let (mut at, mut next) = (0, 0);
        loop {
            let gap = self.gap(event, at, next)?;
            at += gap.len as usize;
            match gap.then {
                Then::String => {
                    let (text, end) = values.string(at - 1)?;
                    take(gap.node, Scalar::String(text), at - 1, end);
                    // The closing quote is the next gap's first byte.
                    at = end - 1;
                }
                Then::Word => {
                    let (word, end) = values.word(at)?;
                    take(gap.node, word, at, end);
                    at = end;
                }
                Then::End => return Some(()),
            }
            next = gap.next;
        }
    }

    /// The gap at `at`, which is `first` or another of its place.
    #[inline(always)]
    fn gap(&self, event: &[u8], at: usize, first: u32) -> Option<&Gap> {
        let rest = event.get(at..)?;
        let head = rest.first_chunk().map(|head| u128::from_le_bytes(*head));
        let mut next = first;
        loop {
            let gap = self.gaps.get(next as usize)?;
            let len = gap.len as usize;
            let stands = match head {
                Some(head) => head & gap.mask == gap.head && (len <= HEAD_LEN || self.has(gap, rest)),
                None => self.has(gap, rest),
            };
            let goes_on = match gap.then {
                Then::String => true,
                // The gap before a string may begin like this one.
                Then::Word => rest.get(len) != Some(&b'"'),
                Then::End => rest.len() == len,
            };
            if stands && goes_on {
                return Some(gap);
            }
            next = gap.other;
        }
    }

    fn has(&self, gap: &Gap, rest: &[u8]) -> bool {
        let bytes = self.bytes.get(gap.start as usize..).and_then(|bytes| bytes.get(..gap.len as usize));
        bytes.zip(rest.get(..gap.len as usize)).is_some_and(|(bytes, rest)| equal(bytes, rest))
    }

    /// Remembers the shape of an event that was scanned and found good, and of which these are all values.
    pub(super) fn learn(&mut self, event: &[u8], seen: &[Seen]) {
        let (mut parent, mut from) = (NONE, 0);
        for value in seen {
            let quote = usize::from(value.string);
            let then = if value.string { Then::String } else { Then::Word };
            let Some(bytes) = event.get(from..value.at + quote) else { return };
            let Some(gap) = self.find_or_add(parent, bytes, then, value.node) else { return };
            (parent, from) = (gap, value.end - quote);
        }
        if let Some(bytes) = event.get(from..) {
            self.find_or_add(parent, bytes, Then::End, super::path::DEAD);
        }
    }

    /// The gap of these bytes behind the value of `parent`; none where there is no room for it.
    fn find_or_add(&mut self, parent: u32, bytes: &[u8], then: Then, node: NodeId) -> Option<u32> {
        let first = match parent {
            NONE if self.gaps.is_empty() => NONE,
            NONE => 0,
            parent => self.gaps.get(parent as usize)?.next,
        };
        let (mut last, mut next) = (NONE, first);
        for _ in 0..BRANCHES_MAX {
            let Some(gap) = self.gaps.get(next as usize) else {
                return self.add(parent, last, bytes, then, node);
            };
            if gap.then == then && gap.len as usize == bytes.len() && self.has(gap, bytes) {
                return Some(next);
            }
            (last, next) = (next, gap.other);
        }
        None
    }

    fn add(&mut self, parent: u32, before: u32, bytes: &[u8], then: Then, node: NodeId) -> Option<u32> {
        if self.gaps.len() == GAPS_MAX || self.bytes.len() + bytes.len() > BYTES_MAX {
            return None;
        }
        let mut head = [0; HEAD_LEN];
        let mut mask = [0; HEAD_LEN];
        for ((head, mask), byte) in head.iter_mut().zip(&mut mask).zip(bytes) {
            (*head, *mask) = (*byte, u8::MAX);
        }
        let id = self.gaps.len() as u32;
        self.gaps.push(Gap {
            head: u128::from_le_bytes(head),
            mask: u128::from_le_bytes(mask),
            start: self.bytes.len() as u32,
            len: bytes.len() as u32,
            then,
            node,
            other: NONE,
            next: NONE,
        });
        self.bytes.extend_from_slice(bytes);
        if let Some(before) = self.gaps.get_mut(before as usize) {
            before.other = id;
        } else if let Some(parent) = self.gaps.get_mut(parent as usize) {
            parent.next = id;
        }
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Print;
    use super::super::path::DEAD;
    use super::super::scan::{Sink, Top, scan};
    use super::*;

    /// All values of an event.
    #[derive(Default)]
    struct All(Vec<Seen>);

    impl<'a> Sink<'a> for All {
        fn key(&mut self, _key: &[u8], _print: Print, _at: usize) {}
        fn start(&mut self, _array: bool, _at: usize) {}
        fn end(&mut self, _end: usize) {}
        fn scalar(&mut self, value: Scalar<'a>, at: usize, end: usize) {
            self.0.push(Seen { node: DEAD, at, end, string: matches!(value, Scalar::String(_)) });
        }
    }

    fn learn(shapes: &mut Shapes, event: &str) {
        let mut all = All::default();
        scan(event.as_bytes(), Top::Object, 8, &mut all).unwrap();
        shapes.learn(event.as_bytes(), &all.0);
    }

    /// The values of an event that has a known shape.
    fn read<'a>(shapes: &mut Shapes, event: &'a str) -> Option<Vec<&'a str>> {
        let mut values = Vec::new();
        let done = shapes.read(event.as_bytes(), |_, _, at, end| values.push(&event[at..end]));
        done.map(|()| values)
    }

    #[test]
    fn an_event_is_read_by_the_shape_of_another_with_other_values() {
        let mut shapes = Shapes::default();
        learn(&mut shapes, r#"{"a":"x","b":{"n":1,"list":["p","q"]},"c":true}"#);
        learn(&mut shapes, r#"{"a":"x","b":{"n":"text"}}"#);
        learn(&mut shapes, r#"{"a":"x","b":{"n":1}}"#);
        learn(&mut shapes, r#"{"a":"x"}"#);
        for (event, expected) in [
            (
                r#"{"a":"","b":{"n":-2.5e3,"list":["\"","q\\"]},"c":null}"#,
                Some(vec![r#""""#, "-2.5e3", r#""\"""#, r#""q\\""#, "null"]),
            ),
            (
                r#"{"a":"y","b":{"n":"long text that is longer"}}"#,
                Some(vec![r#""y""#, r#""long text that is longer""#]),
            ),
            (r#"{"a":"y","b":{"n":7}}"#, Some(vec![r#""y""#, "7"])),
            (r#"{"a":"y"}"#, Some(vec![r#""y""#])),
            // Another key, a container for a value and the other way round, white space, more and less at the end.
            (r#"{"A":"y"}"#, None),
            (r#"{"a":1}"#, None),
            (r#"{"a":{}}"#, None),
            (r#"{"a":"y","b":{"n":1,"list":["p"]},"c":true}"#, None),
            (r#"{"a":"y","b":{"n":1,"list":"p"},"c":true}"#, None),
            (r#"{"a":"y" }"#, None),
            (r#"{"a":"y"} "#, None),
            (r#"{"a":"y"}}"#, None),
            (r#"{"a":"y""#, None),
            (r#"{"a":"y"#, None),
            ("{", None),
            ("", None),
            // What no scanner would pass.
            (r#"{"a":"\x"}"#, None),
            ("{\"a\":\"\n\"}", None),
            (r#"{"a":"\ud800"}"#, None),
            (r#"{"a":"y","b":{"n":01}}"#, None),
            (r#"{"a":"y","b":{"n":1.}}"#, None),
            (r#"{"a":"y","b":{"n":truth}}"#, None),
        ] {
            assert_eq!(read(&mut shapes, event), expected, "{event}");
        }
    }

    #[test]
    fn shapes_that_do_not_come_again_are_given_up_for_a_while() {
        let mut shapes = Shapes::default();
        let event = |number: usize| format!(r#"{{"key {number}":1}}"#);
        for number in 0..=CREDIT as usize {
            assert!(shapes.are_of_use());
            assert_eq!(read(&mut shapes, &event(number)), None);
            learn(&mut shapes, &event(number));
        }
        assert_eq!((0..).take_while(|_| !shapes.are_of_use()).count(), REST as usize);
        assert_eq!(shapes.gaps.len(), 2, "the last one, learnt after all were forgotten");
    }

    #[test]
    fn room_is_bounded_and_what_found_none_is_scanned() {
        let mut shapes = Shapes::default();
        for number in 0..10_000 {
            learn(&mut shapes, &format!(r#"{{"a":{{"key {number}":1}},"long":"{number}"}}"#));
        }
        assert!(shapes.gaps.len() <= 3 * BRANCHES_MAX);
        for number in 0..10_000 {
            let values = (0..number % 7).map(|key| format!(r#""{key}":{key},"#)).collect::<String>();
            learn(&mut shapes, &format!(r#"{{{values}"key {number}":"{}"}}"#, "long ".repeat(number % 11)));
        }
        assert!(shapes.gaps.len() <= GAPS_MAX && shapes.bytes.len() <= BYTES_MAX);
        assert_eq!(read(&mut shapes, r#"{"a":{"key 3":2},"long":"x"}"#), Some(vec!["2", r#""x""#]));
        assert_eq!(read(&mut shapes, r#"{"a":{"key 9999":2},"long":"x"}"#), None);
    }
}
