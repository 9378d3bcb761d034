//! No circle of imports between the files of a room: who reads one file can read those below it, and is done.
//!
//! A name that a `mod.rs` only passes on counts as an import of the file that defines it. A file's tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use super::{code_alone, paths};

/// One file: where it stands in the tree of modules, and what it says.
struct Module {
    name: String,
    defines: BTreeSet<String>,
    /// What it passes on: name → path of modules and the name there.
    passes_on: BTreeMap<String, Vec<String>>,
    /// Every path in it, from the crate's root.
    paths: Vec<Vec<String>>,
}

/// The files below `src/`, by their paths in the tree of modules.
pub struct House(BTreeMap<Vec<String>, Module>);

impl House {
    /// Of files' names below `src/` and their texts.
    pub fn of(files: &[(String, String)]) -> House {
        let mut modules = BTreeMap::new();
        let known: BTreeSet<Vec<String>> = files.iter().map(|(name, _)| place(name)).collect();
        for (name, text) in files {
            let (place, code) = (place(name), code_alone(text));
            let (passed, own) = passed_on(&code);
            let absolute = |path: &String| absolute(path.as_str(), &place, &known);
            let passed = paths(&passed);
            let passes_on = passed.iter().filter_map(absolute).filter_map(|path| Some((path.last()?.clone(), path)));
            let module = Module {
                name: format!("src/{name}"),
                defines: defined(&code),
                passes_on: passes_on.collect(),
                paths: paths(&own).iter().filter_map(absolute).collect(),
            };
            modules.insert(place.clone(), module);
        }
        House(modules)
    }

    /// The circles in each room, each as the files that it goes through.
    pub fn circles(&self) -> Vec<(String, Vec<String>)> {
        let mut imports: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
        for (place, module) in &self.0 {
            let found = module.paths.iter().filter_map(|path| self.definer(path, 0));
            let of_room = found.filter(|other| other.first() == place.first() && *other != place);
            imports.insert(place, of_room.collect());
        }
        let mut circles: Vec<(String, Vec<String>)> = Vec::new();
        let mut told: BTreeSet<&[String]> = BTreeSet::new();
        for place in self.0.keys().filter(|place| !place.is_empty()) {
            if told.contains(place.as_slice()) {
                continue;
            }
            if let Some(way) = way_back(place, &imports) {
                told.extend(&way);
                circles.push((place[0].clone(), way.iter().map(|place| self.0[*place].name.clone()).collect()));
            }
        }
        circles
    }

    /// The file that defines what a path names.
    fn definer(&self, path: &[String], depth: usize) -> Option<&[String]> {
        let deepest = (0..=path.len()).rev().find(|length| self.0.contains_key(&path[..*length]))?;
        let (place, module) = self.0.get_key_value(&path[..deepest])?;
        let Some(item) = path.get(deepest) else { return Some(place) };
        if module.defines.contains(item) {
            return Some(place);
        }
        let passed = module.passes_on.get(item).filter(|_| depth < 8)?;
        self.definer(&[passed, &path[deepest + 1..]].concat(), depth + 1)
    }
}

/// The shortest way from a file over its imports back to it.
fn way_back<'a>(
    from: &'a [String],
    imports: &BTreeMap<&'a [String], BTreeSet<&'a [String]>>,
) -> Option<Vec<&'a [String]>> {
    let mut ways: Vec<Vec<&'a [String]>> = vec![vec![from]];
    let mut seen: BTreeSet<&[String]> = BTreeSet::new();
    let mut at = 0;
    while let Some(way) = ways.get(at).cloned() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            if *next == from {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push([way.as_slice(), &[*next]].concat());
            }
        }
        at += 1;
    }
    None
}

/// `session/pins.rs` is `session::pins`; `lib.rs` is the root.
fn place(name: &str) -> Vec<String> {
    let name = name.trim_end_matches(".rs").trim_end_matches("/mod");
    if name == "lib" { Vec::new() } else { name.split('/').map(str::to_owned).collect() }
}

/// A path as it is written in a file, from the root; `None` for what is not of this house.
fn absolute(path: &str, place: &[String], known: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut words: Vec<String> = path.split("::").map(str::to_owned).collect();
    let mut base = place.to_vec();
    match words.first()?.as_str() {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            while words.get(1).is_some_and(|word| word == "super") {
                words.remove(0);
                base.pop()?;
            }
            base.pop()?;
        }
        child if known.contains(&[place, &[child.to_owned()]].concat()) => words.insert(0, "self".to_owned()),
        _ => return None,
    }
    words.remove(0);
    // `{self, …}` is the module itself.
    words.retain(|word| word != "self" && !word.is_empty());
    let whole = [base, words].concat();
    // What is above the file itself is a `pub(in …)`.
    (!place.starts_with(&whole)).then_some(whole)
}

/// What `pub use` and the like pass on, and the code without it.
fn passed_on(code: &str) -> (String, String) {
    let (mut passed, mut own) = (String::new(), String::new());
    let mut rest = code;
    while let Some(at) = rest.find("pub") {
        let after = rest[at + 3..].trim_start();
        let after = match after.strip_prefix('(') {
            Some(scope) => scope.find(')').map_or("", |end| scope[end + 1..].trim_start()),
            None => after,
        };
        let is_use = after.starts_with("use ") && !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        own.push_str(&rest[..at]);
        if is_use {
            let end = after.find(';').map_or(after.len(), |end| end + 1);
            passed.push_str(&after[..end]);
            rest = &after[end..];
        } else {
            own.push_str("pub");
            rest = &rest[at + 3..];
        }
    }
    own.push_str(rest);
    (passed, own)
}

/// The names that a file defines itself.
fn defined(code: &str) -> BTreeSet<String> {
    const DEFINES: [&str; 9] = ["fn", "struct", "enum", "trait", "const", "static", "type", "union", "mod"];
    let words: Vec<&str> =
        code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    words.windows(2).filter(|pair| DEFINES.contains(&pair[0])).map(|pair| pair[1].to_owned()).collect()
}
