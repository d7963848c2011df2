//! Rows as JSON. An event alone is what was appended; with anything added it is the member `event` of an object. What is
//! missing has no member: so it differs from what is null.

use crate::run::Row;
use crate::value::Value;

impl Row {
    /// The row as one line of JSON. `columns` are the names of the answer's columns; `integrity` is JSON too, and is
    /// added as the member of this name.
    pub fn to_json(&self, columns: &[String], integrity: Option<&[u8]>) -> Vec<u8> {
        let event = self.event().map(|event| one_line(event.body()));
        let mut members: Vec<(&str, Vec<u8>)> = Vec::new();
        if let Some(event) = event {
            if columns.is_empty() && integrity.is_none() {
                return event;
            }
            members.push(("event", event));
        }
        for (name, value) in columns.iter().zip(self.values()).filter(|(_, value)| **value != Value::Missing)
        {
            members.push((name, one_line(value.to_json().as_bytes())));
        }
        members.extend(integrity.map(|integrity| ("integrity", integrity.to_vec())));
        let mut text = vec![b'{'];
        for (at, (name, value)) in members.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            text.extend_from_slice(serde_json::Value::from(*name).to_string().as_bytes());
            text.push(b':');
            text.extend_from_slice(value);
        }
        text.push(b'}');
        text
    }
}

/// JSON on one line: between its tokens a line end is as good as a space, and inside of them there is none.
fn one_line(json: &[u8]) -> Vec<u8> {
    json.iter().map(|&byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect()
}
