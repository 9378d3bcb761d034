//! Renders the folders below `deploy/` as `kubectl apply -k` would.
//!
//! Knows kubectl and where the folders are. Must not know what is in them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

use crate::document::{Document, Rendering};

const ORIGIN: &str = "config.kubernetes.io/origin";

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A program that a test needs and does not find is a failure where everything must run, and else a named skip.
pub fn is_here(program: &str, test: &str) -> bool {
    let here = Command::new(program).arg("--help").output().is_ok();
    assert!(here || std::env::var_os("CI").is_none(), "{program} is not on PATH, and with CI set {test} must run");
    if !here {
        println!("SKIPPED: {test}, since {program} is not on PATH");
    }
    here
}

/// `deploy/base` and every folder of `deploy/overlays` that brings its members along, from the root.
pub fn clusters() -> Vec<String> {
    let folders = fs::read_dir(root().join("deploy/overlays")).unwrap().map(|entry| entry.unwrap().path());
    let is_whole = |path: &PathBuf| path.is_dir() && !path.ends_with("front");
    let mut overlays: Vec<String> = folders.filter(is_whole).map(|path| from_root(&path)).collect();
    overlays.sort();
    overlays.insert(0, "deploy/base".to_owned());
    overlays
}

/// The text of a folder's rendering, to the byte what `kubectl kustomize` prints.
pub fn text_of(folder: &Path) -> String {
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl kustomize {}: {complaint}", folder.display());
    assert_eq!(complaint, "", "kubectl kustomize {} is not content", folder.display());
    String::from_utf8(output.stdout).unwrap()
}

/// The folders of `deploy/components`, from the root.
pub fn components() -> Vec<String> {
    let folders = fs::read_dir(root().join("deploy/components")).unwrap().map(|entry| entry.unwrap().path());
    let mut components: Vec<String> = folders.filter(|path| path.is_dir()).map(|path| from_root(&path)).collect();
    components.sort();
    components
}

/// A folder's objects, each with the file that it was written in.
pub fn render(folder: &str) -> Rendering {
    rendered(folder, "")
}

/// The same with a component on top.
pub fn render_with_component(folder: &str, component: &str) -> Rendering {
    rendered(folder, component)
}

fn rendered(folder: &str, component: &str) -> Rendering {
    let around = Wrapping::new(folder, "buildMetadata: [originAnnotations]\n", component);
    let mut documents = parse(&text_of(around.path()));
    for document in &mut documents {
        document.file = taken_origin(&mut document.value, around.path()).unwrap_or_else(|| folder.to_owned());
    }
    Rendering { folder: folder.to_owned(), documents }
}

/// The objects of a YAML text; the file is left empty.
pub fn parse(yaml: &str) -> Vec<Document> {
    let documents = serde_norway::Deserializer::from_str(yaml);
    let value = |document| Value::deserialize(document).unwrap();
    documents.map(|document| Document { file: String::new(), value: value(document) }).collect()
}

/// A throwaway kustomization around a folder.
pub struct Wrapping(tempfile::TempDir);

impl Wrapping {
    /// `more` are further lines; `component` is the folder of one, or empty.
    pub fn new(folder: &str, more: &str, component: &str) -> Wrapping {
        let temporary = tempfile::tempdir().unwrap();
        let place = temporary.path().canonicalize().unwrap();
        let up: PathBuf = place.components().skip(1).map(|_| "..").collect();
        let from_here = |folder: &str| up.join(root().join(folder).strip_prefix("/").unwrap()).display().to_string();
        let mut text = format!("resources: [{:?}]\n{more}", from_here(folder));
        if !component.is_empty() {
            writeln!(text, "components: [{:?}]", from_here(component)).unwrap();
        }
        fs::write(place.join("kustomization.yaml"), text).unwrap();
        Wrapping(temporary)
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// What kustomize says of an object's origin: a file, or the kustomization that made it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Origin {
    path: Option<String>,
    configured_in: Option<String>,
}

/// Takes away the annotation that only our own rendering has, and gives the file that it names.
fn taken_origin(value: &mut Value, folder: &Path) -> Option<String> {
    let metadata = value.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.get_mut("annotations")?.as_object_mut()?;
    let origin = annotations.remove(ORIGIN)?;
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    let origin: Origin = serde_norway::from_str(origin.as_str()?).unwrap();
    let path = origin.path.or(origin.configured_in)?;
    Some(from_root(&resolved(&folder.canonicalize().unwrap().join(path))))
}

fn resolved(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

fn from_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).as_os_str().to_str().map_or_else(String::new, str::to_owned)
}
