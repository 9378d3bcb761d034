//! Everything below `deploy/`, rendered as `kubectl apply -k` would and read strictly: a field that does not exist, a
//! selector that selects nothing, a key that nobody has, a script that shellcheck does not like. Each line of
//! complaint names the file, the object, the field and what is wrong. `breakages.rs` proves that each check finds
//! what it is there for.
//!
//! Needs kubectl, bash, shellcheck and promtool; without one the tests that need it are skipped by name, except where CI is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod alerts;
mod breakage_table;
mod breakages;
mod certificate_kind;
mod dockerfile;
mod document;
#[allow(dead_code)] // single values are for others
#[path = "../exposition/mod.rs"]
mod exposition;
mod front;
mod hardening;
mod images;
mod manual;
mod metrics_named;
mod monitoring_kinds;
mod mounted;
mod pods;
mod ports;
mod proxy;
mod references;
mod render;
mod schema;
mod scripts;
mod selectors;
mod words;

use document::{Complaint, Rendering};

/// Clusters whose kind the proxy refuses as not offered yet; `[&str; 0] = []` once it offers Galera.
const NOT_OFFERED_YET: [&str; 0] = [];

/// All that is wrong with a rendering, as lines; and what the proxy does not offer yet.
fn complaints(rendering: &Rendering) -> (Vec<String>, Option<String>) {
    let checks: [fn(&Rendering) -> Vec<Complaint>; 8] = [
        schema::check,
        words::check,
        selectors::check,
        ports::check,
        references::check,
        hardening::check,
        scripts::check,
        metrics_named::check,
    ];
    let mut complaints: Vec<Complaint> = checks.iter().flat_map(|check| check(rendering)).collect();
    let proxy = proxy::check(rendering);
    complaints.extend(proxy.complaints);
    complaints.sort();
    complaints.dedup();
    (complaints.iter().map(ToString::to_string).collect(), proxy.not_offered)
}

fn all_is_here(test: &str) -> bool {
    ["kubectl", "bash", "shellcheck"].iter().all(|program| render::is_here(program, test))
}

#[test]
fn every_cluster_is_sound() {
    if !all_is_here("every_cluster_is_sound") {
        return;
    }
    let clusters = render::clusters();
    assert!(clusters.len() > 1, "{clusters:?}");
    let mut lines = Vec::new();
    for folder in clusters {
        let (complaints, not_offered) = complaints(&render::render(&folder));
        lines.extend(complaints.into_iter().map(|line| format!("{folder}: {line}")));
        match (not_offered, NOT_OFFERED_YET.contains(&folder.as_str())) {
            (None, false) => {}
            (Some(why), true) => println!("SKIPPED: {folder} by the proxy's own check: {why}"),
            (Some(why), false) => lines.push(format!("{folder}: {why}")),
            (None, true) => lines.push(format!("{folder}: the proxy offers it: take it out of NOT_OFFERED_YET")),
        }
    }
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_component_is_sound_on_the_base() {
    if !all_is_here("every_component_is_sound_on_the_base") {
        return;
    }
    let mut lines = Vec::new();
    for component in render::components() {
        let (complaints, _) = complaints(&render::render_with_component("deploy/base", &component));
        lines.extend(complaints.into_iter().map(|line| format!("{component}: {line}")));
    }
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn images_alone_replace_every_image() {
    if !all_is_here("images_alone_replace_every_image") {
        return;
    }
    for folder in render::clusters() {
        let rendering = render::render(&folder);
        assert!(!images::images(&rendering).is_empty(), "{folder}");
        assert_eq!(images::left_after_replacement(&rendering), [""; 0], "{folder}");
    }
}

/// The init containers of the members, in their order.
fn init_containers(rendering: &Rendering) -> Vec<String> {
    let pods = pods::pods(rendering);
    let members = pods.iter().filter(|pods| pods.owner.kind() == "StatefulSet");
    let inits = members.flat_map(|pods| pods.spec.init_containers.iter().flatten());
    inits.map(|container| container.name.clone()).collect()
}

/// A patch by name puts what it names to the front, and then a server is started before it is configured.
#[test]
fn init_containers_keep_their_order() {
    if !all_is_here("init_containers_keep_their_order") {
        return;
    }
    let base = render::render("deploy/base");
    let order = init_containers(&base);
    assert!(order.len() > 1, "{order:?}");
    for folder in render::clusters() {
        let mut other = init_containers(&render::render(&folder));
        if other != order {
            other.sort();
            let mut names = order.clone();
            names.sort();
            assert_ne!(other, names, "{folder}: the init containers are not in the order of deploy/base");
        }
    }
}
