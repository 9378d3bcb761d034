//! `docs/kubernetes.md` against what it speaks of: folders and objects that exist, and an overlay that works as it is
//! printed.

use std::fs;

use crate::document::{Rendering, text};
use crate::{all_is_here, complaints, render};

fn manual() -> String {
    fs::read_to_string(render::root().join("docs/kubernetes.md")).unwrap()
}

#[test]
fn every_folder_of_the_manual_exists() {
    let manual = manual();
    let words = manual.split(|c: char| c.is_whitespace() || "`()[],|".contains(c));
    let below = |word: &&str| ["deploy/", "base/", "overlays/", "components/"].iter().any(|it| word.contains(it));
    let mut seen = 0;
    for word in words.filter(below).filter(|word| !word.starts_with("deploy/mysql-")) {
        let path = word.trim_start_matches("../").trim_end_matches([';', '.', ':']).trim_start_matches("deploy/");
        assert!(render::root().join("deploy").join(path).is_dir(), "docs/kubernetes.md: there is no {word}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn every_object_of_the_manual_exists() {
    if !all_is_here("every_object_of_the_manual_exists") {
        return;
    }
    let manual = manual();
    let base = render::render_with_component("deploy/base", "deploy/components/sysbench");
    let kinds = [
        ("statefulset/", "StatefulSet"),
        ("deployment/", "Deployment"),
        ("deploy/mysql-", "Deployment"),
        ("job/", "Job"),
        ("service-name=", "Service"),
    ];
    for (prefix, kind) in kinds {
        let mut seen = 0;
        for (at, _) in manual.match_indices(prefix) {
            let from = at + prefix.len() - if prefix == "deploy/mysql-" { "mysql-".len() } else { 0 };
            let name: String = manual[from..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            assert!(base.find(kind, &name).is_some(), "docs/kubernetes.md: there is no {kind}/{name}");
            seen += 1;
        }
        assert!(seen > 0, "docs/kubernetes.md no longer speaks of {prefix}");
    }
    for (at, _) in manual.match_indices(" -c ").filter(|(at, _)| !manual[..*at].ends_with("gunzip")) {
        let name: String = manual[at + 4..].chars().take_while(char::is_ascii_alphanumeric).collect();
        let is_container = name.is_empty() || name.starts_with('\'') || has_container(&base, &name);
        assert!(is_container, "docs/kubernetes.md: no member has a container {name}");
    }
}

/// Without it a client waits for a time-out, and nobody tells why.
#[test]
fn every_label_that_lets_in_is_in_the_manual() {
    if !all_is_here("every_label_that_lets_in_is_in_the_manual") {
        return;
    }
    let manual = manual();
    let base = render::render_with_component("deploy/base", "deploy/components/sysbench");
    let mut seen = 0;
    for policy in base.of_kind("NetworkPolicy") {
        let policy = policy.value.to_string();
        for (at, _) in policy.match_indices("\":\"true\"") {
            let label = policy[..at].rsplit('"').next().unwrap();
            let said = format!("`{label}: \"true\"`");
            assert!(manual.contains(&said), "docs/kubernetes.md does not say that {said} lets in");
            seen += 1;
        }
    }
    assert!(seen > 1, "{seen}");
}

fn has_container(rendering: &Rendering, name: &str) -> bool {
    let set = rendering.find("StatefulSet", "mysql").unwrap();
    let lists = ["containers", "initContainers"].map(|it| format!("/spec/template/spec/{it}"));
    lists.iter().flat_map(|list| crate::document::list(&set.value, list)).any(|it| text(it, "/name") == name)
}

#[test]
fn the_overlay_of_the_manual_works_as_printed() {
    if !all_is_here("the_overlay_of_the_manual_works_as_printed") {
        return;
    }
    let manual = manual();
    let printed = manual.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir_in(render::root().join("target")).unwrap();
    // The manual's folder is beside `deploy`; this one is two levels below.
    let overlay = printed.replace("../deploy/", "../../deploy/");
    assert_ne!(overlay, printed);
    fs::write(folder.path().join("kustomization.yaml"), overlay).unwrap();
    let accounts = ["root", "replication", "monitor", "application"];
    let passwords: Vec<String> = accounts.iter().map(|account| format!("{account}-password=of {account}\n")).collect();
    fs::write(folder.path().join("passwords.env"), passwords.concat()).unwrap();
    let documents = render::parse(&render::text_of(folder.path()));
    let rendering = Rendering { folder: "the manual's".to_owned(), documents };
    assert_eq!(complaints(&rendering).0, [""; 0]);
    let secret = rendering.find("Secret", "mysql").unwrap();
    assert_eq!(text(&secret.value, "/metadata/namespace"), "shop");
    assert_eq!(crate::mounted::entries(secret)["root-password"], b"of root");
    let images = crate::images::images(&rendering);
    assert!(images.contains("registry.example.com/mysql-proxy:0.1.0"), "{images:?}");
    assert!(!images.contains("mysql-proxy:0.1.0"), "{images:?}");
}
