//! Profiles: from JSON bytes to indexed fields, time, event id.

mod fields;

pub use fields::{EventTime, Fields, Slot, Term, TermKind};
mod profile;
pub use profile::{Masked, Profile};
