//! One member of an event's outermost object, found without reading what stands behind it.
//!
//! For events that were checked when they were stored. It decides nothing that it is not sure of: where there is nothing
//! at the key, or something else than a plain text, whoever asks reads the whole event.

use memchr::memchr2;

/// The text at `key`, where it is written without escapes; nothing where more of the event must be read to know.
pub(crate) fn text_at<'a>(event: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut at = after(event, 0, b'{')?;
    loop {
        let name = after(event, at, b'"')?;
        let name_end = text_end(event, name)?;
        // One with escapes may be the key, spelt otherwise.
        let name = plain(event.get(name..name_end)?)?;
        at = after(event, name_end + 1, b':')?;
        if name == key {
            let text = after(event, at, b'"')?;
            return plain(event.get(text..text_end(event, text)?)?);
        }
        at = after(event, value_end(event, at)?, b',')?;
    }
}

/// The place behind `byte`, where that comes next but for white space.
fn after(event: &[u8], mut at: usize, byte: u8) -> Option<usize> {
    while matches!(event.get(at)?, b' ' | b'\n' | b'\r' | b'\t') {
        at += 1;
    }
    (event.get(at) == Some(&byte)).then_some(at + 1)
}

/// The closing quote of the text that begins at `at`.
fn text_end(event: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', event.get(at..)?)?;
        if event.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// A text that says what it is written as.
fn plain(text: &[u8]) -> Option<&[u8]> {
    (!text.contains(&b'\\')).then_some(text)
}

/// The comma or the bracket behind the value that begins at `at`.
fn value_end(event: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match event.get(at)? {
            b'"' => at = text_end(event, at + 1)?,
            b'{' | b'[' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_behind_any_other_values() {
        for event in [
            r#"{"id":"a"}"#,
            r#" { "x" : 1 , "id" : "a" , "y" : 2 }"#,
            r#"{"x":{"id":"b","y":["}",{"z":"\"]"}]},"id":"a","x2":{}}"#,
            r#"{"x":"\\","y":-1.5e3,"z":[],"w":null,"id":"a"}"#,
            r#"{"ids":"b","id":"a"}"#,
        ] {
            assert_eq!(text_at(event.as_bytes(), b"id"), Some(&b"a"[..]), "{event}");
        }
    }

    #[test]
    fn what_is_not_sure_is_left_to_others() {
        for event in [
            r#"{"id":1}"#,
            r#"{"id":null}"#,
            r#"{"id":["a"]}"#,
            r#"{"id":"\u0061"}"#,
            r#"{"i\u0064":"b"}"#,
            r#"{"x\n":1,"id":"a"}"#,
            r#"{"x":{"id":"a"}}"#,
            r#"{"x":"id"}"#,
            r#"{}"#,
            r#"["id","a"]"#,
            "",
            r#"{"id":"a"#,
            r#"{"id"#,
        ] {
            assert_eq!(text_at(event.as_bytes(), b"id"), None, "{event}");
        }
    }
}
