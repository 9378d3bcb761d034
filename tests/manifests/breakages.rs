//! Each check is seen to fail: one thing is broken in a sound rendering, and a complaint must name the file, the object,
//! the field and what is wrong.

use serde_json::Value;

use crate::breakage_table::Do::{Edit, Put, Remove, Take};
use crate::breakage_table::{Breakage, Do, breakages, breakages_of_monitoring};
use crate::document::Rendering;
use crate::{all_is_here, complaints, render};

/// Breaks one thing of the first object of this kind whose name is, or begins with, `name`.
fn broken(sound: &Rendering, kind: &str, name: &str, change: &Do) -> Rendering {
    let mut rendering = sound.clone();
    let fits = |document: &crate::document::Document| {
        let hashed = document.name().strip_prefix(name.trim_end_matches('-')).and_then(|rest| rest.strip_prefix('-'));
        let is_hash = |rest: &str| rest.len() == 10 && !rest.contains('-');
        document.kind() == kind && (document.name() == name || hashed.is_some_and(is_hash))
    };
    let at = rendering.documents.iter().position(fits).unwrap_or_else(|| panic!("there is no {kind}/{name}"));
    if let Remove = change {
        rendering.documents.remove(at);
        return rendering;
    }
    let value = &mut rendering.documents[at].value;
    match change {
        Put(pointer, new) => put(value, pointer, new.clone()),
        Take(pointer) => {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            let parent = value.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            assert!(parent.remove(&field.replace("~1", "/")).is_some(), "{pointer} is not there");
        }
        Edit(pointer, before, after) => {
            let text = value.pointer(pointer).and_then(Value::as_str).unwrap();
            assert!(text.contains(before), "{pointer} does not have {before:?}");
            let text = text.replace(before, after);
            put(value, pointer, text.into());
        }
        Remove => {}
    }
    rendering
}

fn put(value: &mut Value, pointer: &str, new: Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap_or_else(|| panic!("{parent} is not there")) {
        Value::Object(fields) => {
            fields.insert(field.replace("~1", "/"), new);
        }
        Value::Array(items) => {
            let at: usize = field.parse().unwrap();
            if at < items.len() {
                items[at] = new;
            } else {
                items.push(new);
            }
        }
        other => panic!("{parent} is {other}"),
    }
}

/// What no complaint has been made of.
fn unseen(sound: &Rendering, breakages: Vec<Breakage>) -> Vec<String> {
    let before = complaints(sound).0;
    let mut unseen = Vec::new();
    for (kind, name, change, expected) in breakages {
        let (after, _) = complaints(&broken(sound, kind, name, &change));
        let new: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
        let names_a_file = |line: &&&String| line.starts_with("deploy/");
        if !new.iter().filter(names_a_file).any(|line| line.contains(expected)) {
            unseen.push(format!("{kind}/{name}: {expected:?} is not in {new:#?}"));
        }
    }
    unseen
}

#[test]
fn each_check_is_seen_to_fail() {
    if !all_is_here("each_check_is_seen_to_fail") {
        return;
    }
    let mut unseen_ones = unseen(&render::render("deploy/base"), breakages());
    let monitored = render::render_with_component("deploy/base", "deploy/components/monitoring");
    unseen_ones.extend(unseen(&monitored, breakages_of_monitoring()));
    assert!(unseen_ones.is_empty(), "\n{}\n", unseen_ones.join("\n"));
}
