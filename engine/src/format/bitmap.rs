//! Postings as Roaring bitmaps in the portable format, encoded straight from sorted offsets.
//!
//! Each 65,536 offsets have a container of their own: an array of up to 4,096 offsets or a bitmap, or runs where those
//! are shorter. Nothing is built in between, as writing an index and checking one both do this for every term.
//! Decoding is left to the `roaring` crate, against which this is tested.

/// The cookie of a bitmap with containers of runs; the count of containers less one stands above it.
const COOKIE_RUNS: u32 = 12_347;
/// The cookie of a bitmap without.
const COOKIE_PLAIN: u32 = 12_346;
/// With containers of runs, places are stated from so many containers on; without, always.
const PLACES_FROM: usize = 4;
/// Most offsets of an array.
const ARRAY_MAX: usize = 4096;
const BITS_LEN: usize = 8192;

/// A bitmap to be written.
#[derive(Debug)]
pub(crate) struct Bitmap<'a> {
    containers: Vec<Container<'a>>,
    has_runs: bool,
}

#[derive(Debug)]
struct Container<'a> {
    offsets: &'a [u32],
    form: Form,
    len: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Array,
    Bits,
    Runs(u16),
}

impl<'a> Container<'a> {
    fn new(offsets: &'a [u32]) -> Self {
        let breaks = offsets.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        let (form, len) = match offsets.len() {
            count if count <= ARRAY_MAX => (Form::Array, count * 2),
            _ => (Form::Bits, BITS_LEN),
        };
        let runs_len = 2 + 4 * (breaks + 1);
        // Fewer than 2,048 runs are shorter than bits.
        if runs_len < len {
            return Container { offsets, form: Form::Runs(breaks as u16 + 1), len: runs_len };
        }
        Container { offsets, form, len }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self.form {
            Form::Array => out.extend(self.offsets.iter().flat_map(|offset| (*offset as u16).to_le_bytes())),
            Form::Bits => {
                let start = out.len();
                out.resize(start + BITS_LEN, 0);
                let (_, bits) = out.split_at_mut(start);
                for offset in self.offsets {
                    let offset = *offset as u16;
                    bits[usize::from(offset / 8)] |= 1 << (offset % 8);
                }
            }
            Form::Runs(count) => {
                out.extend_from_slice(&count.to_le_bytes());
                for run in self.offsets.chunk_by(|a, b| *b == *a + 1) {
                    out.extend_from_slice(&(run[0] as u16).to_le_bytes());
                    out.extend_from_slice(&((run.len() - 1) as u16).to_le_bytes());
                }
            }
        }
    }
}

impl<'a> Bitmap<'a> {
    /// Of `offsets`, which ascend, each once. There is at least one.
    pub(crate) fn new(offsets: &'a [u32]) -> Self {
        let containers: Vec<_> = offsets.chunk_by(|a, b| a >> 16 == b >> 16).map(Container::new).collect();
        let has_runs = containers.iter().any(|container| matches!(container.form, Form::Runs(_)));
        Bitmap { containers, has_runs }
    }

    fn has_places(&self) -> bool {
        !self.has_runs || self.containers.len() >= PLACES_FROM
    }

    fn head_len(&self) -> usize {
        let count = self.containers.len();
        let cookie_len = if self.has_runs { 4 + count.div_ceil(8) } else { 8 };
        cookie_len + count * if self.has_places() { 8 } else { 4 }
    }

    /// Length in bytes.
    pub(crate) fn encoded_len(&self) -> usize {
        self.head_len() + self.containers.iter().map(|container| container.len).sum::<usize>()
    }

    /// Appends it to `out`.
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let count = self.containers.len() as u32;
        if self.has_runs {
            out.extend_from_slice(&(COOKIE_RUNS | (count - 1) << 16).to_le_bytes());
            for eight in self.containers.chunks(8) {
                let bit = |(place, container): (usize, &Container<'_>)| {
                    u8::from(matches!(container.form, Form::Runs(_))) << place
                };
                out.push(eight.iter().enumerate().map(bit).fold(0, |all, bit| all | bit));
            }
        } else {
            out.extend_from_slice(&COOKIE_PLAIN.to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
        }
        for Container { offsets, .. } in &self.containers {
            out.extend_from_slice(&((offsets[0] >> 16) as u16).to_le_bytes());
            out.extend_from_slice(&((offsets.len() - 1) as u16).to_le_bytes());
        }
        if self.has_places() {
            let mut place = self.head_len() as u32;
            for container in &self.containers {
                out.extend_from_slice(&place.to_le_bytes());
                place += container.len as u32;
            }
        }
        for container in &self.containers {
            container.write(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use roaring::RoaringBitmap;

    use super::*;

    #[test]
    fn every_shape_is_written_as_the_roaring_crate_writes_it() {
        let mut cases: Vec<Vec<u32>> = vec![
            vec![0],
            vec![u32::MAX],
            (0..70_000).collect(),
            (0..200_000).step_by(3).collect(),
            (0..20_000).step_by(2).collect(),
            (0..8192).step_by(2).collect(),
            (0..8194).step_by(2).collect(),
            (0..600_000).filter(|n| n % 70_000 < 5000).collect(),
            (0..600_000).filter(|n| n >> 16 != 3 && (n >> 16 == 4 || n % 977 == 0)).collect(),
            [1, 2, 3, 4, 5, 9].to_vec(),
            [1, 3, 5, 7, 9, 11, 70_000].to_vec(),
            (0..65_536).collect(),
            (65_530..65_546).collect(),
        ];
        // Runs and gaps of all lengths, from a fixed generator.
        let mut state = 7_u64;
        let mut random = |end: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32 % end
        };
        for _ in 0..200 {
            let (mut offsets, mut at) = (Vec::new(), 0);
            let spread = 1 + random(3000);
            for _ in 0..1 + random(3000) {
                at += 1 + random(spread) / (1 + random(40));
                offsets.push(at);
            }
            cases.push(offsets);
        }
        for offsets in cases {
            let mut theirs = RoaringBitmap::from_sorted_iter(offsets.iter().copied()).unwrap();
            theirs.optimize();
            let (mut written, mut expected) = (Vec::new(), Vec::new());
            theirs.serialize_into(&mut expected).unwrap();
            let ours = Bitmap::new(&offsets);
            ours.encode_into(&mut written);
            assert!(written == expected, "{} offsets from {:?}", offsets.len(), offsets.first());
            assert_eq!(ours.encoded_len(), written.len());
        }
    }
}
