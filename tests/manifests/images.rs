//! Images: every one can be replaced with kustomize's `images:` alone, and nothing else depends on where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::document::Rendering;
use crate::pods::{Pods, pods};
use crate::render::{Wrapping, text_of};

/// Where the replaced images come from, as far as this test is concerned.
const ELSEWHERE: &str = "elsewhere.invalid/mirror";

/// The images of all containers.
pub fn images(rendering: &Rendering) -> BTreeSet<String> {
    let pods = pods(rendering);
    pods.iter().flat_map(Pods::containers).filter_map(|it| it.container.image.clone()).collect()
}

/// What is left of the original images after every one has been replaced, in the words of the rendered text.
pub fn left_after_replacement(rendering: &Rendering) -> Vec<String> {
    let originals = images(rendering);
    let names: BTreeMap<&str, usize> =
        originals.iter().map(|image| name_of(image)).enumerate().map(|(at, name)| (name, at)).collect();
    let mut replacements = "images:\n".to_owned();
    for (name, at) in &names {
        writeln!(replacements, "- {{name: {name:?}, newName: {ELSEWHERE}/{at}, newTag: \"1.2.3\"}}").unwrap();
    }
    let wrapping = Wrapping::new(&rendering.folder, &replacements, "");
    let rendered = text_of(wrapping.path());
    let is_left = |line: &&str| {
        let is_original = originals.iter().any(|image| line.contains(image.as_str()));
        let key = line.trim_start().trim_start_matches("- ");
        let other = key.strip_prefix("image: ").is_some_and(|image| !image.starts_with(ELSEWHERE));
        is_original || other || hosts(&originals).any(|host| line.contains(host))
    };
    rendered.lines().filter(is_left).map(|line| line.trim().to_owned()).collect()
}

/// `mysql:8.4.7` is `mysql`, `host:5000/a/b@sha256:…` is `host:5000/a/b`.
fn name_of(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let last = image.rfind('/').map_or(0, |at| at + 1);
    image[last..].find(':').map_or(image, |at| &image[..last + at])
}

/// The registries that images name: the first part, if it looks like a host.
fn hosts(images: &BTreeSet<String>) -> impl Iterator<Item = &str> {
    let first = images.iter().filter_map(|image| image.split_once('/')).map(|(first, _)| first);
    first.filter(|first| first.contains(['.', ':']))
}

#[test]
fn names_of_images() {
    assert_eq!(name_of("mysql:8.4.7"), "mysql");
    assert_eq!(name_of("gcr.io/google-samples/xtrabackup:1.0"), "gcr.io/google-samples/xtrabackup");
    assert_eq!(name_of("host:5000/a/b@sha256:00"), "host:5000/a/b");
    assert_eq!(name_of("host:5000/a/b:1"), "host:5000/a/b");
}
