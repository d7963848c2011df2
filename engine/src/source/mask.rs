//! Masking at the door.

use std::borrow::Cow;

use super::profile::Profile;
use crate::Result;

/// An event after masking.
#[derive(Debug)]
pub struct Masked<'a> {
    /// The event as it will be stored.
    pub event: Cow<'a, [u8]>,
    /// What was done to it.
    pub labels: Vec<String>,
}

impl Profile {
    /// Masks an event.
    pub fn mask<'a>(&self, event: &'a [u8], _: Option<&[u8; 32]>, _: bool) -> Result<Masked<'a>> {
        Ok(Masked { event: Cow::Borrowed(event), labels: Vec::new() })
    }
}
