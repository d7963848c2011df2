//! Profiles: from JSON bytes to indexed fields, time, event id.
//!
//! [`Profile::extract`] checks an event and finds its fields in one pass; [`Profile::mask`] changes what must not
//! be stored, before the record is made; [`Profile::split`] finds the events of a document. Nothing here reads a
//! file or a clock, or keeps anything of an event.

mod control;
mod decimal;
mod extract;
mod fields;
mod inspect;
mod join;
mod keys;
mod lately;
mod mask;
mod member;
mod order;
mod path;
mod profile;
mod scan;
mod schema;
mod secrets;
mod shapes;
mod shipped;
mod short;
mod split;
mod text;
mod time;
mod values;

#[cfg(test)]
mod mask_tests;
#[cfg(test)]
mod shipped_tests;
#[cfg(test)]
mod tests;

pub use control::normalise_control;
pub use decimal::{canonical_number, is_number};
pub use extract::EXTRACTOR;
pub use fields::{EventTime, Fields, Slot, Term, TermKind};
pub use inspect::Inspected;
pub(crate) use lately::{Glance, Lately};
pub use mask::Masked;
pub(crate) use member::text_at;
pub use order::{compare_number_values, compare_numbers};
pub use profile::{FieldKind, FieldRule, MaskAction, MaskRule, PathRule, Profile};
pub use shipped::{ShippedProfile, shipped};
pub(crate) use short::equal;
pub use time::rfc3339;
pub use values::{FoundValue, JsonValue, Path, Paths};
