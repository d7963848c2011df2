//! The stretches that a process has open: each is opened once, not once a query.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::stretch::Stretch;
use super::text::LogText;
use super::{AsOf, Trouble};
use crate::log::lock;
use crate::log::views::View;
use crate::{Fault, Result, Seq};

/// How many stretches are kept open.
const OPEN_MAX: usize = 1024;

/// The open stretches of one store, by their first seqs.
#[derive(Debug, Default)]
pub(crate) struct Stretches {
    open: Mutex<HashMap<Seq, Arc<Stretch>>>,
}

impl Stretches {
    /// Lets `ask` ask the stretch of a view. Where that turns out not to be whole, it is made anew from the log, and
    /// `ask` asked again.
    pub(super) fn ask<T>(
        &self,
        as_of: &AsOf,
        view: &View,
        mut ask: impl FnMut(&Arc<Stretch>) -> Result<T, Trouble>,
    ) -> Result<T> {
        let stretch = self.get(as_of, view)?;
        let fault = match ask(&stretch) {
            Ok(answer) => return Ok(answer),
            Err(Trouble::Other(error)) => return Err(error),
            Err(Trouble::Stretch(fault)) => fault,
        };
        let stretch = self.remake(as_of, view, &stretch, &fault)?;
        ask(&stretch).map_err(|trouble| match trouble {
            Trouble::Other(error) => error,
            Trouble::Stretch(fault) => fault.in_file(&as_of.log.layout.log(view.segment)),
        })
    }

    /// The stretch of a view.
    pub(super) fn get(&self, as_of: &AsOf, view: &View) -> Result<Arc<Stretch>> {
        let known = lock(&self.open).get(&view.first_seq).cloned();
        let fits = |stretch: &Arc<Stretch>| {
            let is_sealed = matches!(stretch.text, LogText::Sealed { .. });
            stretch.sidecar.end_seq() == view.end_seq && is_sealed == as_of.is_sealed(view)
        };
        if let Some(stretch) = known.filter(fits) {
            return Ok(stretch);
        }
        let stretch = Arc::new(Stretch::open(as_of, view)?);
        self.keep(&stretch);
        Ok(stretch)
    }

    /// A stretch that was found not to be whole, made anew; nothing can be done about one that was already.
    pub(super) fn remake(
        &self,
        as_of: &AsOf,
        view: &View,
        stretch: &Stretch,
        fault: &Fault,
    ) -> Result<Arc<Stretch>> {
        if stretch.rebuilt.is_some() {
            return Err(fault.clone().in_file(&as_of.log.layout.log(view.segment)));
        }
        let stretch = Arc::new(Stretch::from_log(as_of, view, fault.to_string())?);
        self.keep(&stretch);
        Ok(stretch)
    }

    fn keep(&self, stretch: &Arc<Stretch>) {
        let (first, end) = (stretch.sidecar.first_seq(), stretch.sidecar.end_seq());
        let mut open = lock(&self.open);
        // Any will do: it is opened again at need.
        if open.len() >= OPEN_MAX
            && let Some(seq) = open.keys().next().copied()
        {
            open.remove(&seq);
        }
        // What were parts of the active segment are one sealed segment now.
        open.retain(|seq, _| !(first..end).contains(seq));
        open.insert(first, Arc::clone(stretch));
    }
}
