//! A rendering: the objects that `kubectl apply -k` would send, and what is said of them.
//!
//! Knows how objects are named and looked up. Must not know what is right or wrong about them.

use std::fmt;

use serde_json::Value;

/// One object of a rendering.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it was written, from the repository's root.
    pub file: String,
    /// All of it.
    pub value: Value,
}

/// All objects of one folder with a `kustomization.yaml`.
#[derive(Clone, Debug)]
pub struct Rendering {
    /// From the repository's root, such as `deploy/base`.
    pub folder: String,
    /// In the order of the rendering.
    pub documents: Vec<Document>,
}

/// What is wrong, and where. Shown as one line: file, kind and name, field, what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Complaint {
    place: String,
    field: String,
    wrong: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.field, self.wrong)
    }
}

impl Document {
    /// `StatefulSet`, …
    pub fn kind(&self) -> &str {
        text(&self.value, "/kind")
    }

    /// `metadata.name`
    pub fn name(&self) -> &str {
        text(&self.value, "/metadata/name")
    }

    /// `apps/v1`, …
    pub fn api_version(&self) -> &str {
        text(&self.value, "/apiVersion")
    }

    /// Something is wrong with a field of it.
    pub fn complaint(&self, field: impl Into<String>, wrong: impl Into<String>) -> Complaint {
        let place = format!("{}: {}/{}", self.file, self.kind(), self.name());
        Complaint { place, field: field.into(), wrong: wrong.into() }
    }
}

impl Rendering {
    /// The object of this kind and name.
    pub fn find(&self, kind: &str, name: &str) -> Option<&Document> {
        self.of_kind(kind).find(|document| document.name() == name)
    }

    /// All objects of a kind.
    pub fn of_kind<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Document> + use<'a> {
        let kind = kind.to_owned();
        self.documents.iter().filter(move |document| document.kind() == kind)
    }
}

/// The text at a JSON pointer, or the empty one.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON pointer, or the empty one.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Calls for every value below, with the path to it: `spec.ports[0].name`.
pub fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, value);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(value, &path, visit);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                walk(value, &format!("{path}[{at}]"), visit);
            }
        }
        _ => {}
    }
}
