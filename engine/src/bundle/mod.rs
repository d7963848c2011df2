//! Evidence bundles: an answer's inputs with all that it takes to check them without the store.
//!
//! A bundle is not the answer but what the answer follows from. Its [`Scope`] names the filters that the question puts
//! to the log and the seqs that it asks about. For each filter the bundle holds every record that may match, as far as
//! the index says to which the operator committed when each segment was sealed; so whoever checks it can run the
//! question anew and knows that nothing is missing. [`Evidence::check`] is the one way to what a bundle proves, a
//! [`Checked`], and believes nothing that the bundle does not prove. `docs/FORMAT-bundle.md` is the layout.
//!
//! # What this room does not do
//! It makes no bundle (`store` does, with the same [`Scope`]), reads no query language, and uses nothing of the writer:
//! neither `index`, `segment`, `log` nor `answer`.

mod agree;
pub(crate) mod authority;
pub(crate) mod challenge;
mod check;
mod checked;
mod container;
pub(crate) mod deletions;
mod evidence;
pub(crate) mod index;
pub(crate) mod known;
mod own;
mod read;
pub(crate) mod records;
pub(crate) mod schema;
mod scope;
pub(crate) mod shown;
mod steps;
#[cfg(test)]
mod tests;

pub use challenge::{Challenge, Drawn};
pub use checked::{Checked, CheckedSegment, Cover, Deleted, Disclosed, FieldCounts, Grade, Residual, Why};
pub use container::{pack, unpack};
pub use evidence::{EVIDENCE_MEMBERS, Evidence};
use evidence::{INDEX, RECORDS, SCOPE};
pub use scope::{Candidates, Scope};
