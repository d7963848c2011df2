//! Controls as queries see them: a catalogue of ids, and for each a filter that says which events are evidence of it.

use indelible_engine::filter::Filter;

/// A requirement of a framework.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// `FRAMEWORK:ID`, in its one spelling.
    pub id: String,
    /// What it is about, in a few words.
    pub title: String,
}

/// A mapping from controls to evidence. A later one changes no record: it is a filter.
pub trait Controls {
    /// All controls, in the order of the catalogue.
    fn catalogue(&self) -> Vec<Control>;

    /// Which events the current mapping takes for evidence of a control.
    fn filter(&self, id: &str) -> Option<Filter>;
}

/// No catalogue and no mapping: controls are what labels and events themselves say.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoControls;

impl Controls for NoControls {
    fn catalogue(&self) -> Vec<Control> {
        Vec::new()
    }

    fn filter(&self, _id: &str) -> Option<Filter> {
        None
    }
}
