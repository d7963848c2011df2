//! A way into a large dictionary: of every 64th text the first bytes that can differ, so that a term is found by
//! looking at few pages of the sidecar.

use std::ops::Range;

use crate::Fault;
use crate::segment::Field;
use crate::source::{Term, TermKind};

/// How many terms lie between two fences.
const STEP: u32 = 64;
/// Smaller dictionaries need none.
const TERMS_MIN: u32 = 4 * STEP;

/// The fences of one field's texts.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// How many bytes all texts have in common at their start.
    common_len: usize,
    /// The eight bytes behind them, of the first of each 64 texts.
    keys: Vec<u64>,
}

impl Fences {
    pub(super) fn new(field: &Field<'_>) -> Result<Fences, Fault> {
        let texts = field.ordinals(TermKind::Text);
        if texts.end - texts.start < TERMS_MIN {
            return Ok(Fences::default());
        }
        let bytes = |ordinal| Ok::<_, Fault>(field.term(ordinal)?.map_or(&[][..], |term| term.bytes));
        let (first, last) = (bytes(texts.start)?, bytes(texts.end - 1)?);
        // What the first and the last have in common, all between them have too.
        let common_len = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let keys = texts.step_by(STEP as usize).map(|ordinal| Ok(key(bytes(ordinal)?, common_len)));
        Ok(Fences { common_len, keys: keys.collect::<Result<_, Fault>>()? })
    }

    /// The ordinal of a term, if a record carries it.
    pub(super) fn find(&self, field: &Field<'_>, wanted: Term<'_>) -> Result<Option<u32>, Fault> {
        if wanted.kind != TermKind::Text || self.keys.is_empty() {
            return field.find(wanted);
        }
        let texts = field.ordinals(TermKind::Text);
        field.find_in(self.around(texts, wanted.bytes), wanted)
    }

    /// Where among `texts` the text can be, if it is there.
    fn around(&self, texts: Range<u32>, text: &[u8]) -> Range<u32> {
        let wanted = key(text, self.common_len);
        let first = self.keys.partition_point(|key| *key < wanted).saturating_sub(1) as u32;
        let end = self.keys.partition_point(|key| *key <= wanted) as u32;
        let at = |fence: u32| texts.start.saturating_add(fence.saturating_mul(STEP)).min(texts.end);
        at(first)..at(end)
    }
}

/// Eight bytes of a text, those that are not there being zeros: in the order of the texts but for ties.
fn key(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    let mut bytes = [0; 8];
    let len = rest.len().min(8);
    bytes[..len].copy_from_slice(&rest[..len]);
    u64::from_be_bytes(bytes)
}
