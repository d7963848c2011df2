//! JSON paths as profiles write them, and the trie in which all paths of a profile are followed at once.
//!
//! A path is keys joined by dots: `tool.args[0].path`, `controls[]`, `annotations."example.com/reason"`. `[]` is
//! every element of an array, `[3]` the fourth. A key that holds a dot, a bracket, a quote or a space stands in
//! double quotes, with `\"` and `\\` inside.
//!
//! The trie is deterministic: where both `a[]` and `a[0]` are asked for, the node of element 0 has the paths of
//! both. So one node at a time is enough to follow an event.

use super::keys::Print;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    Key(String),
    /// One element of an array.
    Index(u32),
    /// Every element of an array.
    Each,
}

/// Most steps of a path: an event nests no deeper.
const STEPS_MAX: usize = crate::limits::EVENT_DEPTH_MAX;

/// Reads a path.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let wrong = |reason: &str| Err(format!("path {text:?}: {reason}"));
    let mut steps = Vec::new();
    let mut rest = text;
    let mut key_next = true;
    while !rest.is_empty() || key_next {
        if let Some(inside) = rest.strip_prefix('[').filter(|_| !key_next || steps.is_empty()) {
            let Some((index, tail)) = inside.split_once(']') else {
                return wrong("a [ without its ]");
            };
            steps.push(match index {
                "" => Step::Each,
                _ => match index.parse() {
                    Ok(number) if index.bytes().all(|byte| byte.is_ascii_digit()) => Step::Index(number),
                    _ => {
                        return wrong(
                            "between [ and ] stands nothing, or the place of one element such as 0",
                        );
                    }
                },
            });
            (rest, key_next) = (tail, false);
        } else if let Some(tail) = rest.strip_prefix('.').filter(|_| !key_next) {
            (rest, key_next) = (tail, true);
        } else if !key_next {
            return wrong("expected a dot or [ after a key");
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let Some((key, tail)) = unquote(quoted) else {
                return wrong("a quoted key without its closing quote");
            };
            steps.push(Step::Key(key));
            (rest, key_next) = (tail, false);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, tail) = rest.split_at(end);
            if key.is_empty() || key.contains(|c: char| c.is_whitespace() || matches!(c, '"' | ']' | '*')) {
                return wrong("a key is missing, or needs double quotes around it");
            }
            steps.push(Step::Key(key.to_owned()));
            (rest, key_next) = (tail, false);
        }
    }
    if steps.len() > STEPS_MAX {
        return wrong("longer than any event is deep");
    }
    Ok(steps)
}

fn unquote(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((key, &text[at + 1..])),
            '\\' => key.push(chars.next()?.1),
            _ => key.push(char),
        }
    }
    None
}

/// A node of the trie.
pub(crate) type NodeId = u32;
/// The node that nothing follows.
pub(crate) const DEAD: NodeId = 0;
/// The node of the top level.
pub(crate) const ROOT: NodeId = 1;

/// That a path ends at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// What the path was inserted as.
    pub(crate) target: u16,
    /// Whether another path of the same group goes on below, so that an object here is no surprise.
    pub(crate) deeper: bool,
}

#[derive(Debug, Default)]
struct Node {
    keys: KeyTable,
    each: NodeId,
    indexed: Vec<(u32, NodeId)>,
    marks: Vec<Mark>,
}

/// All paths of one profile.
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
}

/// A path to insert.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'p> {
    pub(crate) steps: &'p [Step],
    pub(crate) target: u16,
    /// Paths of one group are spellings of one thing.
    pub(crate) group: u16,
}

impl Trie {
    pub(crate) fn new(entries: &[Entry<'_>]) -> Trie {
        let mut trie = Trie { nodes: vec![Node::default()] };
        trie.insert(entries);
        trie
    }

    fn insert(&mut self, entries: &[Entry<'_>]) -> NodeId {
        if entries.is_empty() {
            return DEAD;
        }
        let id = self.nodes.len();
        self.nodes.push(Node::default());
        let marks = entries.iter().filter(|entry| entry.steps.is_empty()).map(|entry| Mark {
            target: entry.target,
            deeper: entries.iter().any(|other| other.group == entry.group && !other.steps.is_empty()),
        });
        let marks = marks.collect();
        let below = |wanted: &dyn Fn(&Step) -> bool| -> Vec<Entry<'_>> {
            let steps = entries.iter().filter_map(|entry| Some((entry, entry.steps.split_first()?)));
            steps
                .filter(|(_, (first, _))| wanted(first))
                .map(|(entry, (_, rest))| Entry { steps: rest, ..*entry })
                .collect()
        };
        let mut firsts: Vec<&Step> = entries.iter().filter_map(|entry| entry.steps.first()).collect();
        firsts.sort_unstable();
        firsts.dedup();
        let (mut keys, mut indexed) = (Vec::new(), Vec::new());
        for first in firsts {
            match first {
                Step::Key(key) => keys.push((key.as_bytes(), self.insert(&below(&|step| step == first)))),
                Step::Index(index) => {
                    indexed.push((*index, self.insert(&below(&|step| step == first || *step == Step::Each))));
                }
                Step::Each => {}
            }
        }
        let each = self.insert(&below(&|step| *step == Step::Each));
        if let Some(node) = self.nodes.get_mut(id) {
            *node = Node { keys: KeyTable::new(&keys), each, indexed, marks };
        }
        id as NodeId
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id as usize)
    }

    /// The node below `id` of a key with its print.
    #[inline]
    pub(crate) fn member(&self, id: NodeId, key: &[u8], print: Print) -> NodeId {
        self.node(id).map_or(DEAD, |node| node.keys.find(key, print))
    }

    /// The node below `id` of an element of an array.
    #[inline]
    pub(crate) fn element(&self, id: NodeId, index: u32) -> NodeId {
        self.node(id).map_or(DEAD, |node| {
            node.indexed.iter().find(|(at, _)| *at == index).map_or(node.each, |(_, below)| *below)
        })
    }

    /// The paths that end at `id`.
    #[inline]
    pub(crate) fn marks(&self, id: NodeId) -> &[Mark] {
        self.node(id).map_or(&[], |node| &node.marks)
    }
}

/// The keys below a node, found by their print: a power of two of slots, at most half of them taken.
#[derive(Debug, Default)]
struct KeyTable {
    slots: Vec<Option<KeySlot>>,
}

#[derive(Debug, Clone)]
struct KeySlot {
    print: Print,
    key: Box<[u8]>,
    node: NodeId,
}

impl KeyTable {
    fn new(keys: &[(&[u8], NodeId)]) -> KeyTable {
        if keys.is_empty() {
            return KeyTable::default();
        }
        let mut slots: Vec<Option<KeySlot>> = vec![None; (keys.len() * 2).next_power_of_two()];
        let mask = slots.len() - 1;
        for (key, node) in keys {
            let print = Print::of(key);
            let mut at = print.hash() as usize & mask;
            while slots[at].is_some() {
                at = (at + 1) & mask;
            }
            slots[at] = Some(KeySlot { print, key: (*key).into(), node: *node });
        }
        KeyTable { slots }
    }

    #[inline]
    fn find(&self, key: &[u8], print: Print) -> NodeId {
        if self.slots.is_empty() {
            return DEAD;
        }
        let mask = self.slots.len() - 1;
        let mut at = print.hash() as usize & mask;
        while let Some(Some(slot)) = self.slots.get(at) {
            if slot.print == print && Print::decides(&slot.key, key) {
                return slot.node;
            }
            at = (at + 1) & mask;
        }
        DEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read() {
        let key = |text: &str| Step::Key(text.to_owned());
        for (text, expected) in [
            ("run_id", vec![key("run_id")]),
            ("a.b", vec![key("a"), key("b")]),
            ("controls[]", vec![key("controls"), Step::Each]),
            ("tool.args[0].path", vec![key("tool"), key("args"), Step::Index(0), key("path")]),
            (r#"a."k8s.io/x".c"#, vec![key("a"), key("k8s.io/x"), key("c")]),
            (r#""a\"b\\""#, vec![key("a\"b\\")]),
            ("x[][1]", vec![key("x"), Step::Each, Step::Index(1)]),
            ("[]", vec![Step::Each]),
            ("[].id", vec![Step::Each, key("id")]),
            ("@type.$id-x", vec![key("@type"), key("$id-x")]),
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[+1]", "a[]b", "a b", "\"a", "a\"b", "a.[0]", "a*"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_trie_follows_all_paths_at_once() {
        let texts = ["a.b", "a[]", "a[1].c", "a[].c", "a", "z"];
        let steps: Vec<_> = texts.iter().map(|text| parse(text).unwrap()).collect();
        let entries: Vec<_> = (0..)
            .zip(&steps)
            .map(|(target, steps)| Entry { steps, target, group: if target == 5 { 1 } else { 0 } })
            .collect();
        let trie = Trie::new(&entries);
        let member = |node, key: &str| trie.member(node, key.as_bytes(), Print::of(key.as_bytes()));
        let targets = |node| {
            let mut targets: Vec<_> = trie.marks(node).iter().map(|mark| mark.target).collect();
            targets.sort_unstable();
            targets
        };
        let a = member(ROOT, "a");
        assert_eq!(trie.marks(a), [Mark { target: 4, deeper: true }]);
        assert_eq!(targets(member(a, "b")), [0]);
        assert_eq!(targets(trie.element(a, 0)), [1]);
        assert_eq!(targets(trie.element(a, 1)), [1]);
        assert_eq!(targets(member(trie.element(a, 0), "c")), [3]);
        assert_eq!(targets(member(trie.element(a, 1), "c")), [2, 3]);
        assert_eq!(trie.marks(member(ROOT, "z")), [Mark { target: 5, deeper: false }]);
        assert_eq!(member(ROOT, "nothing"), DEAD);
        assert_eq!(member(DEAD, "a"), DEAD);
        assert_eq!(trie.element(member(ROOT, "z"), 0), DEAD);
    }
}
